#!/usr/bin/python3
"""`sluice slick`: any SlickQueue segment, golden ones and our own."""

import json
import os
import pathlib
import unittest

from support import SLUICE, SOURCE, DomainTest, wait_until

GOLDEN = SOURCE / "tests" / "golden"


class SlickCommand(DomainTest):
    def setUp(self):
        super().setUp()
        self.name = f"sluice-e2e-{os.getpid()}-{self.id().rsplit('.', 1)[1]}"
        self.path = pathlib.Path("/dev/shm") / self.name
        self.addCleanup(lambda: self.path.unlink(missing_ok=True))

    def place(self, golden):
        self.path.write_bytes((GOLDEN / golden).read_bytes())

    def answer(self, *arguments):
        result = self.sluice("slick", *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""), arguments)
        return result.stdout

    def test_what_is_written_is_read(self):
        written = self.answer("write", self.name, "hello", "a longer message", "--create", "8", "--element", "8")
        self.assertEqual(written, "")
        self.assertEqual(self.answer("read", "/" + self.name, "--from", "oldest", "--no-wait", "--format", "text"),
                         "0: hello\n1: a longer message\n")
        self.assertEqual(self.answer("write", self.name, "--hex", "0100000000000000"), "")
        self.assertEqual(self.answer("read", self.name, "--from", "last", "--no-wait", "-f", "u64"), "3: 1\n")

    def test_a_reader_that_waits_gets_what_is_written_and_counts(self):
        self.answer("write", self.name, "first", "--create", "8", "--element", "16")
        reader = self.start(SLUICE, "slick", "read", self.name, "--from", "oldest", "-n", "2", "-f", "text")
        self.assertEqual(reader.stdout.readline(), "0: first\n")
        self.answer("write", self.name, "second")
        self.assertEqual(reader.stdout.readline(), "1: second\n")
        self.assertEqual(reader.wait(), 0)

    def test_what_was_lost_is_said(self):
        self.place("slick-1.2.0-lapped.bin")
        result = self.sluice("slick", "read", self.name, "--from", "0", "--no-wait", "--json")
        indices = [json.loads(line)["index"] for line in result.stdout.splitlines()]
        self.assertEqual(indices, list(range(13, 21)))
        self.assertEqual(result.stderr, "lost 13 and stepped over 0 elements\n")

    def test_info_says_what_the_manifest_says_and_changes_nothing(self):
        for row in json.loads((GOLDEN / "slick.json").read_text()):
            self.place(row["file"])
            before = self.path.read_bytes()
            info = json.loads(self.answer("info", self.name, "--json"))
            self.assertEqual([info[key] for key in ("capacity", "element", "reserved", "reserved_size", "state")],
                             [row[key] for key in ("capacity", "element_size", "reserved_index", "reserved_size",
                                                   "init_state")], row["file"])
            newest = row["read_last"]["index"] if row["read_last"] else None
            self.assertEqual(info["newest"], newest, row["file"])
            self.assertEqual(self.path.read_bytes(), before)
        self.place("slick-1.4.0-hole.bin")
        text = self.answer("info", self.name)
        self.assertIn("holes:          1 element\n", text)
        self.assertIn("mapped by:      nobody", text)

    def test_list_shows_segments_of_any_program_and_nothing_else(self):
        self.place("slick-py-1.0.1-three.bin")
        other = self.path.with_name(self.name + "-other")
        other.write_bytes(b"something else" * 100)
        self.addCleanup(other.unlink)
        listed = {row["name"]: row for row in json.loads(self.answer("list", "--json"))}
        self.assertEqual(listed["/" + self.name]["written_by"], "1.2.x or Python")
        self.assertNotIn("/" + other.name, listed)
        self.assertIn("/" + self.name, self.answer("list"))

    def test_clean_removes_what_nobody_has_mapped(self):
        self.place("slick-1.4.0-three.bin")
        reader = self.start(SLUICE, "slick", "read", self.name, "--from", "oldest", "-f", "u64")
        self.assertTrue(reader.stdout.readline().startswith("0: "))
        result = self.sluice("slick", "clean", self.name, "--force")
        self.assertEqual(result.returncode, 1)
        self.assertTrue(result.stderr.startswith(f"kept /{self.name}: mapped by sluice ({reader.pid})"), result.stderr)
        reader.terminate()
        self.assertEqual(reader.wait(), 0)
        self.assertEqual(self.answer("clean", self.name, "--force", "--dry-run"), f"would remove /{self.name}\n")
        self.assertTrue(self.path.exists())
        self.assertEqual(self.answer("clean", self.name, "--force"), f"removed /{self.name}\n")
        wait_until(lambda: not self.path.exists(), "the segment's end")

    def test_mistakes_are_named(self):
        self.place("slick-1.4.0-three.bin")
        for arguments, message in (
                (["info", self.name + "x"], f"cannot open segment '{self.path}x' (did you mean '/{self.name}'?): "
                                            "No such file or directory"),
                (["read", "a/b"], "segment name 'a/b' must be one file name, with or without a leading '/'"),
                (["read", self.name, "--from", "yesterday"],
                 "--from must be next, oldest, last or an index, not 'yesterday'"),
                (["read", self.name, "-f", "hx"], "there is no format 'hx'; did you mean 'hex'? (auto, hex, text, "
                                                  "u64, i64, u32, i32, f64)"),
                (["write", self.name, "x" * 65], "a message of 65 bytes does not fit: the segment has 8 elements of 8 "
                                                 "bytes"),
                (["write", self.name + "-new", "x", "--create", "7", "--element", "8"],
                 "--create needs a power of two, not 7"),
                (["write", self.name + "-new", "x", "--create", "8"], "--create needs --element, the bytes of one "
                                                                      "element"),
                (["clean"], "say which segments to remove, by name, or --all")):
            result = self.sluice("slick", *arguments)
            self.assertEqual((result.returncode, result.stderr), (2, f"sluice: {message}\n"), arguments)

    def test_damaged_segments_have_a_problem_and_exit_code_1(self):
        self.path.write_bytes((GOLDEN / "slick-1.4.0-three.bin").read_bytes()[:200])
        result = self.sluice("slick", "info", self.name)
        self.assertEqual(result.returncode, 1)
        self.assertIn("problem:        truncated: 200 bytes, but its header needs 256\n", result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
