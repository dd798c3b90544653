"""Work counts, waiting does not; whoever asks."""

import threading
import time

from daemon.edge.effort import Effort


def test_what_a_thread_works_counts_and_what_it_waits_or_others_work_does_not():
    made, asked, ended = threading.Event(), threading.Event(), []

    def wait():
        ended.append(Effort())
        made.set()
        asked.wait()

    waiting = threading.Thread(target=wait)
    waiting.start()
    made.wait()
    working, began = Effort(), time.thread_time()
    while time.thread_time() - began < 0.2:
        pass

    assert 0.2 <= working.cpu_s <= working.wall_s + 0.01
    assert 0.2 <= ended[0].wall_s
    assert ended[0].cpu_s < 0.1
    asked.set()
    waiting.join()
    assert ended[0].cpu_s < 0.1
