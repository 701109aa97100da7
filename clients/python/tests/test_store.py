import os
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from isobar_federated import FileStore, MemoryStore
from isobar_federated.signing import public_key_of


class Stores(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "state"

    def test_values_by_name(self) -> None:
        for store in (MemoryStore(), FileStore(self.path)):
            self.assertIsNone(store.read("part.0"))
            self.assertEqual(store.names(""), [])
            store.write("part.0", b"one")
            store.write("part.1", b"")
            store.write("other", b"x")
            store.write("part.0", b"two")
            self.assertEqual(store.read("part.0"), b"two")
            self.assertEqual(store.names("part."), ["part.0", "part.1"])
            store.remove("part.0")
            store.remove("part.0")
            self.assertEqual(store.names("part."), ["part.1"])

    def test_locked_by_one_at_a_time(self) -> None:
        for store, other in ((MemoryStore(), None), (FileStore(self.path), FileStore(self.path))):
            self.assertTrue(store.lock())
            self.assertFalse((other or store).lock())
            store.unlock()
            self.assertTrue((other or store).lock())
            (other or store).unlock()

    def test_locked_over_processes_until_they_end(self) -> None:
        store = FileStore(self.path)
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
            store.write("lock", str(other.pid).encode())
            self.assertFalse(store.lock())
            other.kill()
        self.assertTrue(store.lock())
        store.unlock()
        self.assertEqual(store.names(""), [])

    @unittest.skipUnless(os.path.exists("/proc/self/stat"), "only Linux tells")
    def test_a_process_that_was_killed_has_ended_before_it_was_waited_for(self) -> None:
        store = FileStore(self.path)
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
            store.write("lock", str(other.pid).encode())
            other.kill()
            while ") Z " not in Path(f"/proc/{other.pid}/stat").read_text():
                time.sleep(0.01)
            self.assertTrue(store.lock())
            store.unlock()

    def test_a_directory_keeps_its_key_from_others(self) -> None:
        made = public_key_of(FileStore(self.path).key())
        self.assertEqual(public_key_of(FileStore(self.path).key()), made)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode) & 0o77, 0)
        self.assertEqual(stat.S_IMODE(os.stat(self.path / "key.pem").st_mode) & 0o77, 0)

    def test_what_was_left_half_written_is_removed_by_the_next(self) -> None:
        store = FileStore(self.path)
        store.write("update", b"1")
        for name, age in (("draft~old", 100), ("draft~new", 0)):
            (self.path / name).write_bytes(b"half")
            at = time.time() - age
            os.utime(self.path / name, (at, at))
        self.assertTrue(store.lock())
        self.assertEqual(sorted(os.listdir(self.path)), ["draft~new", "lock", "update"])
        store.unlock()

    def test_of_many_who_find_a_lock_left_behind_one_gets_it(self) -> None:
        store = FileStore(self.path)
        script = (
            "import sys, time\n"
            "from isobar_federated import FileStore\n"
            "while time.time() < float(sys.argv[2]): pass\n"
            "print(FileStore(sys.argv[1]).lock(), flush=True)\n"
            "time.sleep(3)\n"
        )
        store.write("lock", b"999999999")
        start = str(time.time() + 1.5)
        arguments = [sys.executable, "-c", script, str(self.path), start]
        folder = Path(__file__).parents[1]
        children = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=folder) for _ in range(4)]
        answers = []
        for child in children:
            assert child.stdout is not None
            answers.append(child.stdout.readline().strip())
        for child in children:
            child.kill()
            child.communicate()
        self.assertEqual(sorted(answers), ["False", "False", "False", "True"])

    def test_what_was_left_half_written_is_not_seen(self) -> None:
        store = FileStore(self.path)
        store.write("update", b"1")
        (self.path / "draft~1~1").write_bytes(b"half")
        self.assertEqual(store.names(""), ["update"])
