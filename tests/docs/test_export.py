"""The export of a network that a page shows, with PyTorch, where it is installed."""

import numpy as np
import pytest
from paths import ROOT

import slidetile as st

PAGE = ROOT / "docs" / "how-to" / "detectors.md"


@pytest.mark.filterwarnings(
    "default::FutureWarning", "default::DeprecationWarning"
)  # PyTorch's own
@pytest.mark.parametrize("gives", ["logits", "a dictionary"])
def test_the_shown_export_gives_a_network_that_finds_tissue(gives, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="exporting needs PyTorch, which is no dependency")
    pytest.importorskip("onnxscript", reason="exporting needs onnxscript, which is no dependency")
    (block,) = PAGE.read_text().split("```py\n")[1:]

    class Greenless(torch.nn.Module):
        """Two classes: tissue, the second, where less than 0.75 of the green comes through."""

        def forward(self, image):
            tissue = 12 * (0.75 - image[:, 1:2])
            logits = torch.cat([-tissue, tissue], dim=1)
            return {"out": logits} if gives == "a dictionary" else logits

    monkeypatch.chdir(tmp_path)
    exec(compile(block.split("```")[0], str(PAGE), "exec"), {"network": Greenless()})  # noqa: S102
    pixels = np.full((600, 700, 3), 240, np.uint8)
    pixels[150:400, 200:500] = (220, 120, 180)
    detector = st.OnnxDetector(model="tissue.onnx", mpp=4.0, activation="softmax", channel=1)
    with st.ArraySlide(pixels, mpp=4.0) as slide:
        tissue = st.find_tissue(slide, mpp=4.0, detector=detector)
    truth = pixels[..., 1] < 200
    assert (tissue.mask == truth).mean() > 0.999
