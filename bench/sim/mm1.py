"""An M/M/1 queue at 80 % load in SimPy: prints the model's name, customers and
events per second of processor time, and the mean time inside in service times."""

import random
import time

import simpy

CUSTOMERS = 200_000
LOAD = 0.8


class Counting(simpy.Environment):
    """Counts the events that it steps through."""

    events = 0

    def step(self):
        self.events += 1
        super().step()


def customer(env, server, rng, inside):
    came = env.now
    with server.request() as turn:
        yield turn
        yield env.timeout(rng.expovariate(1))
    inside.append(env.now - came)


def source(env, server, rng, inside):
    for _ in range(CUSTOMERS):
        yield env.timeout(rng.expovariate(LOAD))
        env.process(customer(env, server, rng, inside))


def run(env):
    rng = random.Random(1)
    inside = []
    env.process(source(env, simpy.Resource(env, 1), rng, inside))
    begin = time.process_time()
    env.run()
    return time.process_time() - begin, inside


took, inside = run(simpy.Environment())
counted = Counting()
run(counted)
print("M/M/1", CUSTOMERS / took, counted.events / took, sum(inside) / len(inside))
