"""The peer against the format's tables, against the files that the originals wrote, and its payload convention."""

import hashlib
import os
import pathlib
import re
import struct
import subprocess
import sys

from eshm_judge import parse
from eshm_peer import NoData, layout, message
from selftest_support import HERE, PATIENCE, PeerTest

sys.path.append(str(HERE.parent / "slick_peer"))
import peer_payload as slick  # noqa: E402

GOLDEN = HERE.parents[1] / "golden"
FILES = sorted(GOLDEN.glob("*eshm*.bin"))
TABLES = (GOLDEN / "README.md").read_text(encoding="utf-8")
PIDS = slice(24, 32)


def expected_rows():
    """{file: (version, generation, alive, m2s, s2m)} of the README."""
    pattern = r"^\| `([\w-]*eshm[\w-]*\.bin)` \| (\d) \| (\d) \| (\d)/(\d) \| ([\d /]+) \| ([\d /]+) \|$"
    rows = {}
    for file, *fields, m2s, s2m in re.findall(pattern, TABLES, re.MULTILINE):
        channels = [tuple(map(int, channel.split("/"))) for channel in (m2s, s2m)]
        rows[file] = (*map(int, fields), *channels)
    return rows


def hello(number, who="master"):
    return f"Hello from {who} #{number}\0".encode()


def without_pids(content):
    return content[:PIDS.start] + bytes(8) + content[PIDS.stop:]


class Places(PeerTest):
    # max_size: (write_count's offset in a channel, channel, total)
    TABLE = {4096: (4104, 4224, 8576), 8192: (8200, 8320, 16768), 1: (16, 128, 384), 100: (112, 192, 512),
             4088: (4096, 4160, 8448), 4089: (4104, 4224, 8576), 4152: (4160, 4224, 8576), 4153: (4168, 4288, 8704)}

    def test_sizes(self):
        for max_size, expected in self.TABLE.items():
            where = layout(max_size)
            self.assertEqual((where.counters, where.channel, where.total), expected)

    def test_every_word_is_where_the_table_says(self):
        for max_size, (counters, channel, total) in self.TABLE.items():
            self.name = self.new_name()
            master = self.peer("master", "3", max_size=max_size, stale_threshold_ms=77)
            slave = self.peer("slave", "3", max_size=max_size)
            self.assertEqual(slave.stats()["code"], 0)
            self.assertRaises(NoData, slave.read, 0)
            master.write(b"m" * max_size)
            slave.write(b"s")
            self.assertEqual(slave.read(0), b"m" * max_size)
            content, pid = self.content(), os.getpid()
            self.assertEqual(len(content), total)
            self.assertEqual(struct.unpack_from("<4sIQQiiIIIIII", content),
                             (b"MHSE", 3, 0, 0, pid, pid, 1, 1, 77, 1, 1, total))
            self.assertEqual(struct.unpack_from("<II", content, 128), (2, max_size))
            self.assertEqual(content[136:136 + max_size], b"m" * max_size)
            self.assertEqual(struct.unpack_from("<QQII", content, 128 + counters), (1, 1, 1, 0))
            self.assertEqual(struct.unpack_from("<II1s", content, 128 + channel), (2, 1, b"s"))
            self.assertEqual(struct.unpack_from("<QQII", content, 128 + channel + counters), (1, 0, 1, 0))
            self.assertEqual(self.dump(max_size)["problems"], [])


class Golden(PeerTest):
    def test_every_file_is_what_its_row_says(self):
        rows = expected_rows()
        self.assertEqual(sorted(rows), [file.name for file in FILES])
        for file in FILES:
            found = parse(file.read_bytes())
            channels = [tuple(found[name][field] for field in ("sequence", "data_size", "write_count", "read_count"))
                        for name in ("m2s", "s2m")]
            self.assertEqual((found["version"], found["master_generation"], found["master_alive"],
                              found["slave_alive"], *channels), rows[file.name], file.name)
            problems = found["problems"]
            self.assertEqual([problem[:4] for problem in problems], ["m2s:"] if "odd" in file.name else [], file.name)

    def test_the_check_sums(self):
        sums = dict(reversed(line.split()) for line in re.findall(r"^[0-9a-f]{16}  \S*eshm\S*$", TABLES, re.MULTILINE))
        for file in FILES:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            self.assertEqual(sums.get(file.name, digest[:16]), digest[:16])

    def test_what_a_slave_gets(self):
        for file in FILES:
            self.name = self.new_name()
            self.place(file.read_bytes())
            slave = self.peer("slave", "3" if "v3" in file.name else "2")
            self.assertRaises(NoData, slave.read, 0)


class Judging(PeerTest):
    DAMAGE = ((0, 1, "magic"), (4, 4, "version 6"), (32, 2, "alive"), (48, 1, "features"), (52, 1, "layout_size"),
              (56, 1, "header: padding"), (127, 1, "header: padding"), (128, 1, "m2s: sequence 3 is odd"),
              (128, 4, "m2s: sequence 6 does not go"), (133, 0x20, "data_size"), (128 + 4112, 5, "read_count"),
              (128 + 4120, 1, "m2s: version 2 has padding"), (128 + 4124, 1, "m2s: version 2 has padding"),
              (128 + 4128, 1, "m2s: padding"), (4351, 1, "m2s: padding"), (8575, 1, "s2m: padding"))

    def test_damage_is_found_where_it_is(self):
        whole = (GOLDEN / "eshm-v2-cpp-hello.bin").read_bytes()
        for offset, change, expected in self.DAMAGE:
            content = bytearray(whole)
            content[offset] ^= change
            problems = parse(bytes(content))["problems"]
            self.assertEqual(len(problems), 1, (offset, problems))
            self.assertIn(expected, problems[0])
        self.assertIn("8575 bytes", parse(whole[:-1])["problems"][0])
        self.assertEqual(parse(b"")["file_size"], 0)


class Writing(PeerTest):
    """The scenarios of the golden files' README, done by the peer, give the same bytes."""

    def compare(self, file):
        self.assertEqual(without_pids(self.content()), without_pids((GOLDEN / file).read_bytes()), file)

    def greeted(self):
        master = self.peer("master", auto_cleanup=False)
        master.write(hello(0))
        return master

    def test_fresh_master_hello_and_both(self):
        master = self.peer("master", auto_cleanup=False)
        self.compare("eshm-v2-cpp-fresh-master.bin")
        master.write(hello(0))
        self.compare("eshm-v2-cpp-hello.bin")
        self.compare("eshm-v2-py-hello.bin")
        self.peer("slave").write(hello(0, "slave"))
        self.compare("eshm-v2-cpp-both.bin")

    def test_read_once(self):
        master, slave = self.peer("master", auto_cleanup=False), self.peer("slave")
        self.assertRaises(NoData, slave.read, 0)
        master.write(hello(0))
        self.assertRaises(NoData, slave.read, 0)
        master.write(hello(1))
        self.assertEqual(slave.read(0), hello(1))
        self.compare("eshm-v2-cpp-read-once.bin")

    def test_a_master_killed_in_a_write(self):
        master = self.greeted()
        master.write(b"X" * 32, "half_data")
        self.compare("eshm-v2-cpp-odd-master-killed.bin")
        self.peer("slave")
        self.peer("master").write(hello(1))
        self.compare("eshm-v2-cpp-odd-after-takeover-write.bin")

    def test_takeover(self):
        self.greeted()
        self.peer("slave").write(hello(0, "slave"))
        second = self.peer("master")
        self.compare("eshm-v2-cpp-gen2-takeover.bin")
        second.write(hello(1))
        self.compare("eshm-v2-cpp-gen2-takeover-hello1.bin")

    def test_version_3(self):
        master = self.peer("master", "3")
        master.write(hello(0))
        self.compare("synthetic-eshm-v3-hello.bin")


class Messages(PeerTest):
    SIZES = (0, 1, 7, 8, 9, 15, 16, 23, 24, 25, 31, 32, 100, 4096)

    def test_whole_messages_and_damage(self):
        for size in self.SIZES:
            data = message.message(size, 3, 5, 7)
            self.assertEqual(message.origin(data), (5, 7) if size >= 8 else (0, 0))
            self.assertNotIn(message.origin(data + b"\0"), [message.origin(data)] if size >= 8 else [])
            for at in range(0, size, 13):
                damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
                self.assertNotEqual(message.origin(damaged), message.origin(data))
            if size >= 24:
                self.assertEqual(data, slick.element(size, 3, 5, 7, size))
            if size:
                self.assertIsNone(message.origin(bytes(size)))

    def test_the_length_is_part_of_a_message(self):
        self.assertEqual(message.origin(slick.element(32, 3, 5, 7, 32)), (5, 7))
        self.assertIsNone(message.origin(slick.element(32, 3, 5, 7, 31)))

    def test_sizes_are_the_seeds(self):
        sizes = [message.message_size(9, 1, number, 0, 50) for number in range(2000)]
        self.assertEqual(sorted(set(sizes)), list(range(51)))
        self.assertEqual(sizes[:20], [slick.message_size(9, 1, number, 0, 50) for number in range(20)])

    def test_the_same_in_cpp(self):
        program = os.environ.get("ESHM_PEER_MESSAGE_PRINT")
        if not program:
            self.skipTest("ESHM_PEER_MESSAGE_PRINT names no program")
        self.assertTrue(pathlib.Path(program).exists())
        for size in self.SIZES:
            result = subprocess.run([program, "3", "5", "7", str(size), str(size)], capture_output=True, text=True,
                                    timeout=PATIENCE, check=True)
            self.assertEqual(bytes.fromhex(result.stdout), message.message(size, 3, 5, 7))
