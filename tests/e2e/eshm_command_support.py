"""What the tests of `sluice eshm` share: a channel of their own, lines as they come, and the independent peer."""

import os
import pathlib
import re
import sys

from support import SLUICE, SOURCE, DomainTest

PEER_DIRECTORY = SOURCE / "tests" / "interop" / "eshm_peer"
PEER = str(PEER_DIRECTORY / "eshm_peer.py")
GOLDEN = SOURCE / "tests" / "golden"
sys.path.insert(0, str(PEER_DIRECTORY))


class EshmTest(DomainTest):
    def setUp(self):
        super().setUp()
        self.name = f"sluice-e2e-{os.getpid()}-{self.id().rsplit('.', 1)[1]}"
        self.path = self.path_of(self.name)

    def path_of(self, name):
        """Whatever happens, it is not there after the test."""
        path = pathlib.Path("/dev/shm", "eshm_" + name)
        self.addCleanup(lambda: path.unlink(missing_ok=True))
        return path

    def eshm(self, *arguments):
        return self.start(SLUICE, "eshm", *map(str, arguments))

    def peer(self, *arguments):
        return self.start(sys.executable, "-B", PEER, *map(str, arguments))

    def answer(self, *arguments, code=0):
        result = self.sluice("eshm", *map(str, arguments))
        self.assertEqual((result.returncode, result.stderr if code == 0 else ""), (code, ""), arguments)
        return result.stdout

    def line(self, process, pattern):
        """The next line that begins so, as a match; what comes before it is passed over."""
        seen = []
        try:
            for line in process.stdout:
                found = re.match(pattern, line)
                if found:
                    return found
                seen.append(line)
        except AssertionError:
            raise AssertionError(f"still waiting for '{pattern}' after {''.join(seen)}") from None
        raise AssertionError(f"'{pattern}' never came, but {''.join(seen)}{process.stderr.read()}")

    def ends(self, process, code=0):
        """Its last lines."""
        rest = process.stdout.read()
        self.assertEqual((process.wait(), process.stderr.read()), (code, ""), rest)
        return rest

    def end(self, process, signal):
        process.send_signal(signal)
        return self.ends(process)
