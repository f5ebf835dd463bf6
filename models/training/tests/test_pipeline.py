"""The whole way on drawn pictures in under two minutes: train, resume, calibrate, export, read back."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import augment
import data
import export
import main
import network
import train
from evaluate import Folds, cross_fitted


@pytest.fixture
def tiny(drawn_data):
    return train.Recipe(size=64, steps=6, batch=8)


def test_absent_data_is_said_plainly(monkeypatch, tmp_path):
    monkeypatch.setenv("BAREFOOT_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit, match="BAREFOOT_DATA"):
        data.load("clinical")


def test_the_whole_way(tiny, tmp_path, monkeypatch):
    folds = Folds("clinical", [tiny], balance=0.7)
    per_fold, pooled = cross_fitted(folds, 0.7, scope_k=8)
    assert pooled["n"] == 60 and len(per_fold) == 5
    assert 0 <= pooled["with_metadata"]["balanced_accuracy"] <= 1

    manifest, tensors, net = export.build("clinical", tiny, folds, None, 0.7, 8, True)
    export.write_pack(tmp_path / "pack", manifest, tensors, net, "# card\n")
    stored = load_file(str(tmp_path / "pack" / "weights.safetensors"))
    assert all(t.dtype == torch.float16 for t in stored.values())
    for name, described in manifest["files"].items():
        assert described == export.describe(tmp_path / "pack" / name)

    pack = export.Pack(tmp_path / "pack")
    files = [folds.info.files[i] for i in folds.info.test(0)[:4]]
    logits, strange, _ = pack.look(np.asarray(data.fitted(data.open_upright(f), 64, "cover")) for f in files)
    assert logits.shape == (4, 6) and np.isfinite(strange).all()

    export.golden(tmp_path / "pack", tmp_path / "golden.json")
    expected = json.loads((tmp_path / "golden.json").read_text())["logits"]
    with torch.inference_mode():
        again, _ = network.load_pack_network(tmp_path / "pack")(export.golden_input(64))
    assert np.allclose(expected, again[0].numpy(), atol=1e-5)


def test_findings_in_the_manifest_equal_the_model(tiny):
    folds = Folds("clinical", [tiny], balance=0.7)
    manifest, _, _ = export.build("clinical", tiny, folds, None, 0.7, 8, True)
    rows = [*folds.rows[:5], {"gender": "", "age": "", "region": "MOON"}]
    pack = export.Pack.__new__(export.Pack)
    pack.manifest = manifest
    logits = np.zeros((6, 6))
    assert pack.with_findings(logits, rows).shape == (6, 6)
    unknown = pack.with_findings(logits, rows)[5]
    flat = np.log(1 / 6) * manifest["metadata"]["photo_weight"]
    assert np.allclose(unknown, flat + np.array(manifest["metadata"]["bias"]))


def test_training_resumes_to_the_same_weights(tiny, monkeypatch):
    straight = load_file(str(train.train("clinical", tiny, 1)))
    folder = train.recipe_folder("clinical", tiny)
    (folder / "fold1.safetensors").unlink()
    real = torch.save

    def save_and_die(state, path):
        real(state, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "SAVE_EVERY", 3)
    monkeypatch.setattr(torch, "save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        train.train("clinical", tiny, 1)
    (folder / "fold1.checkpoint.part").rename(folder / "fold1.checkpoint.pt")
    monkeypatch.setattr(torch, "save", real)
    resumed = load_file(str(train.train("clinical", tiny, 1)))
    assert all(torch.equal(straight[k], resumed[k]) for k in straight)


def test_two_recipes_average_and_one_follows_another(drawn_data):
    one, two = train.Recipe(size=64, steps=2, batch=4), train.Recipe(size=64, steps=2, batch=4, seed=1)
    a, b = (load_file(str(train.train("clinical", r, 0))) for r in (one, two))
    both = load_file(str(train.train("clinical", train.replace(one, also=two), 0)))
    assert all(torch.allclose(both[k], (a[k] + b[k]) / 2) for k in a)
    after = load_file(str(train.train("clinical", train.replace(two, steps=0, after=one), 0)))
    assert all(torch.equal(after[k], a[k]) for k in a)


def test_fused_convolution_equals_the_plain_one():
    torch.manual_seed(0)
    net = network.Net(3)
    torch.nn.init.normal_(net.head.weight)
    x = torch.randn(2, 3, 64, 64)
    fused, _ = net(x)
    fused.square().sum().backward()
    gradient = {k: p.grad.clone() for k, p in net.weight.items()}
    net.zero_grad()
    plain, fused_call = network.F.conv2d, network.conv_relu6
    network.conv_relu6 = lambda x, w, b, s, p, g: network.F.relu6(plain(x, w, b, s, p, 1, g))
    try:
        other, _ = net(x)
        other.square().sum().backward()
    finally:
        network.conv_relu6 = fused_call
    assert torch.allclose(fused, other, rtol=1e-3, atol=1e-3)
    for k, p in net.weight.items():
        assert (gradient[k] - p.grad).abs().max() <= 1e-3 * p.grad.abs().max() + 1e-6


def test_pasted_cutouts_leave_no_black():
    cut = torch.zeros(2, 3, 90, 90)
    cut[:, :, 30:60, 30:60] = 0.5
    pasted = augment.paste_on_skin(cut, torch.full((2, 3, 90, 90), 0.7))
    assert pasted.amin() > 0.3
    assert torch.allclose(pasted[:, :, 45, 45], torch.tensor(0.5), atol=1e-3)


def test_commands_read_their_arguments(capsys):
    with pytest.raises(SystemExit):
        main.main()
