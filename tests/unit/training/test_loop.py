"""The loop of every trainer: it goes on where it was killed, and keeps the weights that held-out items like best."""

import itertools
import json
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch
from torch import nn

from models.nets.brain import BrainConfig, BrainNet
from training.running.loop import HeldOut, train
from training.running.run import Learner, RunPlan, WeightAverage, load_weights

BRAIN = Path(__file__).parents[3] / "models/zoo/brain-t1"


class Killed(Exception):
    pass


def plan_in(folder, **settings):
    return RunPlan(run=folder, **{"steps": 12, "peak_rate": 0.1, "warm_up": 0, "save_every": 1} | settings)


def learner_of(plan):
    torch.manual_seed(plan.seed)
    return Learner(nn.Linear(1, 1, bias=False), plan)


def numbers(first):
    return (torch.full((1, 1), float(step % 3)) for step in itertools.count(first))


def distance_to_two(network, item):
    loss = (network(item) - 2 * item).square().mean() + (network(torch.ones(1, 1)) - 2).square().mean()
    return loss, {"loss": loss}


def weights(path):
    return load_weights(path, nn.Linear(1, 1, bias=False)).weight.item()


def log(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("killed_at", [1, 5, 11])
def test_a_killed_run_that_is_started_again_ends_as_one_that_was_not(tmp_path, killed_at):
    def dying(first):
        yield from itertools.islice(numbers(first), killed_at - first)
        raise Killed

    whole, twice = plan_in(tmp_path / "whole"), plan_in(tmp_path / "twice")
    train(learner_of(whole), whole, numbers, distance_to_two)
    with pytest.raises(Killed):
        train(learner_of(twice), twice, dying, distance_to_two)
    train(learner_of(twice), twice, numbers, distance_to_two)

    assert weights(whole.run / "checkpoint.pt") == weights(twice.run / "checkpoint.pt")


def test_a_run_that_is_at_its_end_is_left_as_it_is(tmp_path):
    plan = plan_in(tmp_path)
    train(learner_of(plan), plan, numbers, distance_to_two)
    before = (tmp_path / "log.jsonl").read_bytes(), weights(tmp_path / "checkpoint.pt")
    unseen = HeldOut(items=lambda: pytest.fail("a held-out item was made"), every=1)
    train(learner_of(plan), plan, lambda _: pytest.fail("an item was asked for"), distance_to_two, unseen)

    assert before == ((tmp_path / "log.jsonl").read_bytes(), weights(tmp_path / "checkpoint.pt"))


def test_the_weights_of_the_least_held_out_loss_are_kept_whatever_comes_after_them(tmp_path):
    """The items ask for ever larger weights; the held-out one asks for a weight on the way."""
    plan = plan_in(tmp_path, steps=400)
    learner = learner_of(plan)
    aim = learner.average.network.weight.item() + 1.5

    def objective(network, item):
        loss = (network(torch.ones(1, 1)) - item).square().mean()
        return loss, {"loss": loss}

    held_out = HeldOut(items=lambda: [torch.tensor(aim)], every=5)
    train(learner, plan, lambda _: itertools.repeat(torch.tensor(aim + 10)), objective, held_out)
    asked = [line for line in log(tmp_path) if "held_out" in line]

    assert aim == pytest.approx(weights(tmp_path / "best.pt"), abs=0.3)
    assert weights(tmp_path / "checkpoint.pt") > aim + 3
    assert min(line["held_out"] for line in asked) == asked[-1]["best"] < asked[-1]["held_out"]


def test_a_resumed_run_does_not_forget_how_good_its_best_was(tmp_path):
    def objective(network, _):
        loss = network(torch.ones(1, 1)).square().mean()
        return loss, {"loss": loss}

    def losing(network, _):
        loss = -network(torch.ones(1, 1)).square().mean().clamp(max=100) + 1e3
        return loss, {"loss": loss}

    def asked(lesson, steps):
        plan = plan_in(tmp_path, steps=steps)
        train(learner_of(plan), plan, numbers, lesson, HeldOut(items=lambda: [None], every=1))
        return weights(tmp_path / "best.pt")

    assert asked(objective, 20) == asked(losing, 40)


def test_asking_held_out_items_changes_nothing_of_what_is_drawn_in_training(tmp_path):
    def noisy(network, item):
        loss = (network(item + 1) - torch.randn(1, 1)).square().mean()
        return loss, {"loss": loss}

    alone, asked = plan_in(tmp_path / "alone"), plan_in(tmp_path / "asked")
    train(learner_of(alone), alone, numbers, noisy)
    train(learner_of(asked), asked, numbers, noisy, HeldOut(items=lambda: [torch.ones(1, 1)], every=1))

    assert weights(alone.run / "checkpoint.pt") == weights(asked.run / "checkpoint.pt")


def test_a_shipped_graph_gives_weights_that_were_called_otherwise(tmp_path):
    """As a graph has them, and as a checkpoint that was made of it."""
    stored = {
        weight.name: onnx.numpy_helper.to_array(weight) for weight in onnx.load(BRAIN / "judge.onnx").graph.initializer
    }
    (former,) = (name for name in stored if name.endswith("variances.here.weight"))
    network = load_weights(BRAIN / "judge.onnx", BrainNet(BrainConfig()))
    old = {name.replace("variances.local.", "variances.here."): w for name, w in network.state_dict().items()}
    torch.save({"average": old}, tmp_path / "checkpoint.pt")
    again = load_weights(tmp_path / "checkpoint.pt", BrainNet(BrainConfig()))

    for loaded in (network, again):
        np.testing.assert_array_equal(stored[former], loaded.state_dict()["variances.local.weight"])


@pytest.mark.parametrize(("steps", "back"), [(20, 2), (700, 70), (5000, 500), (50_000, 500)])
def test_the_average_of_weights_looks_back_over_a_tenth_of_a_run_and_500_steps_at_most(steps, back):
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0.0)
    average = WeightAverage(network, steps)
    network.weight.data.fill_(1.0)
    for _ in range(back):
        average.update(network, step=10**6)

    assert average.network.weight.item() == pytest.approx(1 - (1 - 1 / back) ** back, abs=1e-4)
