#!/usr/bin/python3
"""A transport that is not Sluice's own, as its author meets it: examples/custom_plugin is built against an
installation, passes the installed conformance suite, and carries the topics of programs that know nothing of it."""

import functools
import pathlib
import re
import shutil
import signal
import tempfile
import unittest

from install_support import STATIC_PLUGINS, InstalledTest, blocks
from support import SOURCE

FOLDER = SOURCE / "examples" / "custom_plugin"


@functools.cache
def place():
    """Where the plugin is built, once for all tests."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="sluice-plugin-"))
    unittest.addModuleCleanup(shutil.rmtree, work)
    return pathlib.Path(shutil.copytree(FOLDER, work / FOLDER.name))


class CustomPlugin(InstalledTest):
    def setUp(self):
        super().setUp()
        self.folder = place()
        build, self.check, _ = blocks(FOLDER / "README.md", "sh")
        if not (self.folder / "build").exists():
            self.shell(build, self.folder)
        self.environment["SLUICE_PLUGIN_PATH"] = str(self.folder / "build")
        self.sluice_bin = self.prefix / "bin" / "sluice"

    def refusal(self, *command):
        result = self.run_program(*map(str, command))
        self.assertNotEqual(result.returncode, 0, result.stdout)
        return result.stderr

    def config_error(self, text, plugin=True):
        if not plugin:
            self.environment.pop("SLUICE_PLUGIN_PATH")
        path = self.file("topics.yaml", text)
        return self.refusal(self.sluice_bin, "config", "check", path).replace(path, "topics.yaml")

    def test_it_passes_the_suite_as_its_readme_says(self):
        printed = self.shell(self.check, self.folder)
        self.assertIn("mailbox 1.0.0: the latest message of one publisher, in shared memory", printed)
        self.assertRegex(printed, r"\n\d+ hold, 0 fail, \d+ not promised\n")
        shown, = blocks(FOLDER / "README.md", "text")
        for line in shown.splitlines():
            self.assertIn(line, printed)

    def test_the_suite_finds_a_transport_that_promises_too_much(self):
        liar = self.work / "liar"
        shutil.copytree(FOLDER, liar)
        source = liar / "mailbox_transport.cpp"
        text = source.read_text()
        honest = "{.many_subscribers = true, .latest_value = true"
        wrong = text.replace(honest, "{.reliable = true, .many_subscribers = true")
        self.assertNotEqual(text, wrong)
        source.write_text(wrong)
        self.build(liar)
        self.environment["SLUICE_PLUGIN_PATH"] = str(liar / "build")
        result = self.run_program(str(self.prefix / "bin" / "sluice-conformance"), "--transport", "mailbox",
                                  "--reliability", "reliable",
                                  "--only", "depth_kept", "--only", "full", "--only", "round_trip")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertRegex(result.stdout, r"FAILS +depth_kept")
        self.assertRegex(result.stdout, r"FAILS +full")
        self.assertRegex(result.stdout, r"holds +round_trip")

    def test_the_installed_programs_use_it(self):
        programs = self.prefix / "libexec" / "sluice"
        config = str(self.folder / "mailbox.yaml")
        listener = self.start(str(programs / "listener"), "--config", config)
        talker = self.start(str(programs / "talker"), "--config", config)
        while not re.search(r"received [1-9]\d*, lost ", listener.stderr.readline()):
            self.assertIsNone(listener.poll())
        self.assertIn("imu.raw.mailbox", [path.name for path in self.runtime.rglob("*")])
        second = self.refusal(programs / "talker", "--config", config, "--name", "second")
        self.assertIn("topic '/imu/raw': there is a publisher already", second)
        for process in (talker, listener):
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(), 0)

    def test_options_are_checked_by_the_plugin(self):
        config = str(self.folder / "mailbox.yaml")
        self.assertIn("ok: 1 topic", self.succeeds(self.sluice_bin, "config", "check", config))
        self.assertEqual(self.config_error("topics:\n  /a: {transport: mailbox, slots: 1}\n"),
                         "sluice: topics.yaml:2:35: topic '/a': slots: '1' is not a whole number between 2 and 64\n")
        self.assertEqual(self.config_error("topics:\n  /a: {transport: mailbox, slot: 8}\n"),
                         "sluice: topics.yaml:2:34: topic '/a': slot: is no option of transport 'mailbox'; "
                         "did you mean 'slots'?\n")
        self.assertEqual(self.config_error("topics:\n  /a: {transport: mailbox, relaibility: reliable}\n"),
                         "sluice: topics.yaml:2:41: topic '/a': relaibility: is no option of transport 'mailbox'; "
                         "did you mean 'reliability'?\n")
        self.assertEqual(self.config_error("topics:\n  /a: {transport: mailbox, colour: red}\n"),
                         "sluice: topics.yaml:2:36: topic '/a': colour: is no option of transport 'mailbox'; "
                         "its options are slots\n")

    def test_what_it_does_not_offer_is_refused(self):
        self.assertEqual(self.config_error("topics:\n  /a: {transport: mailbox, reliability: reliable}\n"),
                         "sluice: topics.yaml:2:41: topic '/a': transport 'mailbox' cannot do 'reliable'; change "
                         "'reliability' or choose another transport\n")

    def test_its_options_belong_to_no_shipped_transport(self):
        error = self.config_error("topics:\n  /a: {transport: slick, slots: 8}\n")
        self.assertTrue(error.startswith("sluice: topics.yaml:2:26: unknown key 'slots' in topic '/a'; accepted are"),
                        error)

    def test_without_the_plugin_the_transport_is_what_is_missing(self):
        error = self.config_error("topics:\n  /a: {transport: mailbox, slots: 8}\n", plugin=False)
        self.assertTrue(error.startswith("sluice: topics.yaml:2:19: topic '/a': there is no transport 'mailbox' "
                                         "(usable: eshm, inproc, slick; plugins are searched in "
                                         "SLUICE_PLUGIN_PATH,"), error)


if STATIC_PLUGINS:
    del CustomPlugin  # plugins are found all the same, but the shipped ones are listed otherwise

if __name__ == "__main__":
    unittest.main(verbosity=2)
