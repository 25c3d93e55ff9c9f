# Usage: python3 -c SCRIPT WHAT N [WORKERS]. Does WHAT so many times, and prints how many nanoseconds that took.
import sys
from itertools import repeat
from multiprocessing.pool import ThreadPool
from queue import Queue
from threading import Lock
from time import perf_counter_ns


def lock(n):
    lock = Lock()
    count = 0
    began = perf_counter_ns()
    for _ in repeat(None, n):
        with lock:
            count += 1
    took = perf_counter_ns() - began
    assert count == n
    return took


def queue(n):
    queue = Queue(1024)
    total = 0
    began = perf_counter_ns()
    for key in range(n):
        queue.put(key)
        total += queue.get()
    took = perf_counter_ns() - began
    assert total == n * (n - 1) // 2
    return took


def light(item):
    return item * 2 + 1


def pool_map(n):
    workers = int(sys.argv[3])
    items = list(range(n))
    with ThreadPool(workers) as pool:
        # All workers have started once each has been asked for something.
        pool.map(light, range(workers), 1)
        began = perf_counter_ns()
        results = pool.map(light, items)
        took = perf_counter_ns() - began
    assert len(results) == n and results[-1] == light(n - 1)
    return took


print({"lock": lock, "queue": queue, "map": pool_map}[sys.argv[1]](int(sys.argv[2])))
