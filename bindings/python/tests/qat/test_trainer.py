"""The loop, its checkpoints, compiled models, the picture, and the losses of distillation."""

from __future__ import annotations

import io

import pytest
import torch
from networks import residual, tokens

from soniq.qat import NotFiniteError, QatError, Trainer, attention_relations, hidden_states, logits_kl, prepare


def trainer(directory=None, stream=None, patience=None, **mode) -> tuple[Trainer, list]:
    torch.manual_seed(4)
    network, images = residual()
    labels = torch.arange(16) % 5
    quantization = prepare(network, [images], steps=24, **(mode or {"target_bits": 4.5}))
    optimizer = torch.optim.Adam(quantization.parameter_groups(2e-3))
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.1, 24)

    def loss(model, batch):
        return torch.nn.functional.cross_entropy(model(batch[0]), batch[1])

    def accuracy(model):
        return float((model(images).argmax(1) == labels).float().mean())

    batches = [(images[:8], labels[:8]), (images[8:], labels[8:])] * 2
    return Trainer(
        quantization, loss, optimizer, scheduler=scheduler, metric=accuracy, checkpoint=directory, stream=stream,
        patience=patience, clip=5.0,
    ), batches  # fmt: skip


def test_it_prints_a_table_and_learns() -> None:
    stream = io.StringIO()
    loop, batches = trainer(stream=stream)
    history = loop.fit(lambda: batches, 6)
    lines = stream.getvalue().splitlines()
    assert lines[0].split() == ["epoch", "phase", "bits", "loss", "metric", "seconds"] and len(lines) == 7
    assert [report.phase for report in history] == ["search"] * 2 + ["fixed"] * 4
    assert history[-1].loss < history[0].loss and history[-1].bits <= 4.5


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path) -> None:
    path = tmp_path / "checkpoint.pt"
    whole, batches = trainer()
    whole.fit(lambda: batches, 5)
    for stop in (1, 3):
        first, batches = trainer(path)
        first.fit(lambda: batches, stop)  # noqa: B023
        second, batches = trainer()
        second.resume(path)
        second.fit(lambda: batches, 5)  # noqa: B023
        assert [vars(a) | {"seconds": 0} for a in whole.history] == [vars(b) | {"seconds": 0} for b in second.history]
        for name, value in whole.quantization.state_dict().items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, second.quantization.state_dict()[name]), name


def test_it_stops_when_nothing_gets_better() -> None:
    loop, batches = trainer(patience=2, palette=[(4, 4)])
    loop.metric = lambda quantization: 0.5
    assert len(loop.fit(lambda: batches, 10)) == 3


def test_bad_use() -> None:
    loop, batches = trainer()
    loop.batch_loss = lambda quantization, batch: quantization(batch[0]).sum() * torch.nan
    with pytest.raises(NotFiniteError, match="at step 0: lower the learning rate"):
        loop.fit(lambda: batches, 1)
    with pytest.raises(QatError, match="there are no batches"):
        trainer()[0].fit(lambda: [], 1)
    with pytest.raises(QatError, match="patience needs a metric"):
        Trainer(loop.quantization, loop.batch_loss, loop.optimizer, patience=3)


@pytest.mark.parametrize("mode", [{"target_bits": 4.5}, {"palette": [(2, 2)]}, {"method": "gdnsq", "palette": [2]}])
def test_the_state_survives_a_round_trip(mode: dict) -> None:
    network, images = residual()
    first = prepare(network, [images], **mode)
    first.freeze()
    second = prepare(network, [torch.randn(4, 3, 8, 8)], **mode)
    second.load_state_dict(first.state_dict())
    assert second.is_frozen
    assert torch.equal(first.eval()(images), second.eval()(images))
    assert first.precision_map() == second.precision_map()


@pytest.mark.parametrize("backend", ["aot_eager"])
@pytest.mark.parametrize("mode", [{"target_bits": 8.5}, {"palette": [(2, 2)]}, {"method": "gdnsq", "palette": [2]}])
def test_compiled_models_train_without_graph_breaks(mode: dict, backend: str) -> None:
    torch._dynamo.reset()
    network, ids = tokens()
    quantization = prepare(network, [ids], **mode)
    compiled = torch.compile(quantization.model, backend=backend, fullgraph=True)
    compiled(ids).sum().backward()
    assert quantization.model.inner.weight.grad.abs().sum() > 0
    quantization.freeze()
    torch.testing.assert_close(compiled(ids), quantization(ids), rtol=1e-4, atol=1e-4)


def test_the_curves_are_a_picture(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    loop, batches = trainer()
    loop.fit(lambda: batches, 4)
    loop.plot(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_precision_map_is_a_picture(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    network, images = residual()
    quantization = prepare(network, [images], target_bits=4.5)
    quantization.freeze()
    path = tmp_path / "map.png"
    quantization.precision_plot(path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_losses_of_distillation() -> None:
    left, right = torch.randn(4, 6, 8), torch.randn(4, 6, 8)
    mask = torch.ones(4, 6)
    mask[:, 4:] = 0
    p, q = right.softmax(-1), left.softmax(-1)
    torch.testing.assert_close(logits_kl(left, right), (p * (p / q).log()).sum(-1).mean())
    kept = hidden_states(left[:, :4], right[:, :4])
    torch.testing.assert_close(hidden_states(left, right, mask), kept)
    torch.testing.assert_close(kept, (left - right)[:, :4].square().sum() / right[:, :4].square().sum())
    heads, others = torch.randn(2, 3, 6, 8), torch.randn(2, 3, 6, 8)
    assert float(attention_relations((heads, heads), (heads, heads))) == pytest.approx(0, abs=1e-6)
    mask = mask[:2]
    cut = attention_relations(*(((side[:, :, :4],) * 2) for side in (heads, others)))
    torch.testing.assert_close(attention_relations((heads, heads), (others, others), mask), cut)
