#!/usr/bin/python3
"""Completion in bash and zsh: commands and flags as the program has them, names as they are now."""

import os
import pathlib
import unittest

from install_support import prefix
from support import BUILD, SLUICE, SOURCE, DomainTest

BASH = """
source <("$1" completion bash)
complete -p sluice >/dev/null || exit 1
COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
_sluice
if [ ${#COMPREPLY[@]} -gt 0 ]; then printf '%s\\n' "${COMPREPLY[@]}"; fi
"""

# What the completion system of zsh would do with the candidates: keep those that begin with what is typed.
ZSH = """
compdef() { [[ $1 = _sluice && $2 = sluice ]] || exit 1 }
compset() { typed=${typed#*=} }
_files() { print -rl -- ${typed}*(N) }
_describe() {
  local candidate
  for candidate in ${(P)2}; do
    candidate=${candidate%%:*}
    [[ $candidate = ${typed}* ]] && print -r -- $candidate
  done
  return 0
}
source <("$1" completion zsh)
shift
words=("$@") CURRENT=$# typed=${@[-1]}
_sluice
"""


class Completion:
    """What each shell has to offer."""

    def complete(self, *words):
        """The candidates for the last word."""
        result = self.run_program(*self.shell, SLUICE, SLUICE, *words, cwd=self.base)
        self.assertEqual((result.returncode, result.stderr), (0, ""), words)
        return sorted(result.stdout.splitlines())

    def test_commands_and_their_beginnings(self):
        self.assertEqual(self.complete("sh"), ["shm"])
        self.assertEqual(self.complete("completion", ""), ["bash", "zsh"])
        self.assertEqual(self.complete("topic", "inf"), ["info"])
        self.assertEqual(self.complete("eshm", "bench", "dr"), ["drive"])
        self.assertEqual(self.complete("topic", "echo", "--json", "/nobody"), [])

    def test_flags(self):
        self.assertEqual(self.complete("shm", "clean", "--d"), ["--dry-run"])
        self.assertEqual(self.complete("--v"), ["--version"])
        self.assertNotIn("--parse-only", self.complete("--"))

    def test_names_of_now(self):
        self.open_topic("publish", "/imu/raw", "--name", "driver")
        self.open_topic("subscribe", "/camera", "--name", "viewer")
        self.assertEqual(self.complete("topic", "info", ""), ["/camera", "/imu/raw"])
        self.assertEqual(self.complete("topic", "echo", "--once", "/i"), ["/imu/raw"])
        self.assertEqual(self.complete("topic", "hz", "cam"), ["camera"])
        self.assertEqual(self.complete("node", "info", "/"), ["/driver", "/viewer"])
        self.assertEqual(self.complete("topic", "echo", "/imu/raw", ""), [])

    def test_names_of_another_domain(self):
        config = self.file("seven.yaml", "domain: 7\n")
        self.open_topic("publish", "/elsewhere", "--config", config)
        self.assertEqual(self.complete("topic", "info", ""), [])
        self.assertEqual(self.complete("topic", "info", "--config", config, ""), ["/elsewhere"])

    def test_parameters_of_the_node(self):
        node = self.start(str(BUILD / "tests" / "parameter_node"))
        self.assertEqual(node.stdout.readline(), "ready\n")
        self.assertEqual(self.complete("param", "get", "subject", "ga"), ["gain"])
        self.assertEqual(self.complete("param", "set", "/subject", "count", ""), [])

    def test_values_of_options(self):
        self.assertEqual(self.complete("topic", "echo", "--format", "u"), ["u32", "u64"])
        self.assertEqual(self.complete("slick", "read", "x", "-f", "te"), ["text"])
        self.assertEqual(self.complete("topic", "echo", "-n", ""), [])
        self.file("robot.yaml", "")
        self.file("robot.launch.yaml", "")
        self.assertEqual(self.complete("config", "check", "rob"), ["robot.launch.yaml", "robot.yaml"])
        self.assertEqual(self.complete("config", "check", "robot.yaml", "robot.l"), ["robot.launch.yaml"])
        self.assertEqual(self.complete("node", "list", "--config", "robot.y"), ["robot.yaml"])

    def test_a_name_is_never_run(self):
        """SlickQueue segments have whatever names their programs chose."""
        name = f"sluice-e2e-{os.getpid()}-$(touch${{IFS}}ran)"
        path = pathlib.Path("/dev/shm", name)
        path.write_bytes((SOURCE / "tests" / "golden" / "slick-1.2.0-lapped.bin").read_bytes())
        self.addCleanup(path.unlink)
        found, = self.complete("slick", "info", f"/sluice-e2e-{os.getpid()}")
        self.assertIn("touch", found)
        self.assertFalse((self.base / "ran").exists())

    def test_every_word_of_the_help_is_there(self):
        self.check_command([])

    def check_command(self, words):
        text = self.sluice(*words, "--help").stdout
        flags = set(self.complete(*words, "-"))
        for line in text.splitlines():
            if line.startswith("  -"):
                self.assertIn(line.split()[0].split(",")[0], flags, words)
        if "\nSubcommands:\n" in text:
            listed = [line.split()[0] for line in text.split("\nSubcommands:\n")[1].split("\n\n")[0].splitlines()
                      if line.startswith("  ") and line[2] != " "]
            self.assertEqual(self.complete(*words, ""), sorted(listed))
            for subcommand in listed:
                self.check_command([*words, subcommand])


class Bash(Completion, DomainTest):
    shell = ("bash", "--norc", "-c", BASH, "bash")

    def test_an_equals_sign_is_a_word_of_its_own(self):
        self.assertEqual(self.complete("topic", "echo", "--format", "=", "i"), ["i32", "i64"])
        self.assertEqual(self.complete("topic", "echo", "--format", "=")[0], "auto")

    def test_the_installed_file_asks_the_program_that_is_completed(self):
        script = 'COMP_WORDS=("$1" topic inf) COMP_CWORD=2; source "$2"; _sluice; echo "${COMPREPLY[@]}"'
        file = prefix() / "share" / "bash-completion" / "completions" / "sluice"
        result = self.run_program("bash", "--norc", "-c", script, "bash", str(prefix() / "bin" / "sluice"), str(file))
        self.assertEqual((result.stdout, result.stderr), ("info\n", ""))


class Zsh(Completion, DomainTest):
    shell = ("zsh", "-f", "-c", ZSH, "zsh")

    def test_the_value_after_an_equals_sign(self):
        self.assertEqual(self.complete("topic", "echo", "--format=i"), ["i32", "i64"])

    def test_the_completion_system_takes_the_installed_file(self):
        file = prefix() / "share" / "zsh" / "site-functions" / "_sluice"
        script = ('fpath=("$1" $fpath); autoload -Uz compinit; compinit -D -u; print ${_comps[sluice]}; '
                  '_describe() { print -rl -- ${(P)2}; }; words=("$2" completion ""); CURRENT=3; _sluice')
        result = self.run_program("zsh", "-f", "-c", script, "zsh", str(file.parent), str(prefix() / "bin" / "sluice"))
        self.assertEqual(result.stderr, "")
        self.assertRegex(result.stdout, r"^_sluice\nbash:Print a script for bash.*\nzsh:Print a script for zsh.*\n$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
