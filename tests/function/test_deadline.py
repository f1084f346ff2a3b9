"""Silence is cut off, however often, and nothing else is."""

import os
import socket
import time

from poolbench.function.deadline import Deadline

CUTS = 12  # with a leak of one descriptor for each that is no socket, the limit would be reached by then


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208


def test_a_silent_peer_is_cut_off_each_time_and_no_descriptor_is_left_over() -> None:
    pipes = [os.pipe() for _ in range(4)]  # what is no socket, and must not be copied for good
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        deadline = Deadline(server.getsockname()[1])
        with socket.create_connection(other.getsockname()) as bystander:
            deadline.start(60)  # whatever is made once is there before anything is counted
            deadline.stop()
            before = descriptors()
            for _ in range(CUTS):
                with socket.create_connection(server.getsockname(), timeout=60) as silent:
                    deadline.start(0.02)
                    assert silent.recv(1) == b""  # shut down, not answered
                    deadline.stop()
                    assert deadline.passed
            assert descriptors() == before
            accepted, _ = other.accept()
            with accepted:
                bystander.sendall(b"x")
                assert accepted.recv(1) == b"x"
    for ends in pipes:
        for end in ends:
            os.close(end)


def test_a_bell_that_is_late_cuts_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        deadline = Deadline(server.getsockname()[1])
        with socket.create_connection(server.getsockname()) as peer:
            deadline.start(60)
            deadline.stop()
            deadline.expire()
            assert not deadline.passed
            accepted, _ = server.accept()
            with accepted:
                peer.sendall(b"x")
                assert accepted.recv(1) == b"x"
            deadline.start(0.02)
            late = time.monotonic() + 60
            while not deadline.passed and time.monotonic() < late:
                time.sleep(0.01)
            assert deadline.passed
            deadline.stop()
