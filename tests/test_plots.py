"""The pictures: they are there, whole, the same each time, and their text can be read."""

import importlib.util
import subprocess
import sys
import warnings

import numpy as np
import pytest

from wordemb_hf.errors import UserError
from wordemb_hf.plots import canvas, curves, maps, training_curve, word_map

pytest.importorskip("matplotlib")


def pixels(path):
    from matplotlib.image import imread

    return imread(path)


def clustered(count, width=20, kinds=4, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(kinds, width))
    return centres[np.arange(count) % kinds] + 0.2 * rng.normal(size=(count, width))


@pytest.fixture
def figures(monkeypatch):
    """The figures that were written, to read what stands in them."""
    seen = []
    for module in (maps, curves):
        monkeypatch.setattr(module, "write", lambda drawn, path: (seen.append(drawn.figure), canvas.write(drawn, path)))
    return seen


HISTORY = [
    {"epoch": 0.5, "step": 5, "loss": 1.5, "learning_rate": 1e-3},
    {"epoch": 1, "step": 10, "loss": 1.0},
    {"epoch": 1, "step": 10, "eval_loss": 1.1, "eval_macro_f1": 0.5, "eval_accuracy": 0.6},
    {"epoch": 2, "step": 20, "loss": 0.5},
    {"epoch": 2, "step": 20, "eval_loss": 0.9, "eval_macro_f1": 0.9, "eval_accuracy": 0.8},
    {"epoch": 3, "step": 30, "eval_loss": 0.8, "eval_macro_f1": 0.6, "eval_accuracy": 0.7},
]


def test_importing_the_module_does_not_import_matplotlib():
    code = "import sys, wordemb_hf.plots; sys.exit('matplotlib' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_map_is_written_whole_and_the_same_each_time(tmp_path, figures):
    words = [f"word{i}" for i in range(48)]
    for name in ("a.png", "deeper/b.png"):
        word_map(words, clustered(48), tmp_path / name)
    image = pixels(tmp_path / "a.png")
    assert image.shape[:2] == (1050, 1400)
    assert image[..., :3].std() > 0.01
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "deeper/b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.png", "b.png", "deeper"]
    assert [text.get_text() for text in figures[0].axes[0].texts if text.get_visible()] == words


def test_words_of_one_cluster_lie_together(tmp_path, figures):
    kinds = np.arange(40) % 4
    word_map([f"w{i}" for i in range(40)], clustered(40), tmp_path / "map.png")
    places = np.array([text.get_position() for text in figures[0].axes[0].texts])
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (kinds[distances.argmin(axis=1)] == kinds).all()
    colours = [text.get_color() for text in figures[0].axes[0].texts]
    assert len(set(zip(kinds, colours, strict=True))) <= 4


def test_labels_do_not_lie_on_each_other(tmp_path, figures):
    word_map([f"a-longer-label-{i}" for i in range(60)], clustered(60, kinds=2), tmp_path / "map.png")
    renderer = figures[0].canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figures[0].axes[0].texts if text.get_visible()]
    assert len(boxes) > 50
    for i, box in enumerate(boxes):
        assert min(box.x0, box.y0) >= 0 and box.x1 <= 1400 and box.y1 <= 1050
        assert not any(box.overlaps(other) for other in boxes[:i])


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 12])
def test_a_few_words_are_enough(tmp_path, count):
    word_map([f"w{i}" for i in range(count)], clustered(count, width=3), tmp_path / "map.png")
    assert pixels(tmp_path / "map.png").shape[:2] == (1050, 1400)


def test_odd_input_is_drawn(tmp_path, figures):
    word_map(
        ["$x$", "$", "a_b", "<unk>", "##ing", "\\frac"] * 2, np.zeros((12, 4)), tmp_path / "map.png", groups=[7] * 12
    )
    word_map(["word"] * 300, clustered(300), tmp_path / "map.png", groups=[-1] * 300)
    assert len(figures[1].axes[0].texts) == maps.MAX_WORDS


@pytest.mark.parametrize(
    ("words", "vectors", "options"),
    [
        ([], np.zeros((0, 3)), {}),
        (["a"], np.zeros((2, 3)), {}),
        (["a"], np.zeros(3), {}),
        (["a"], np.full((1, 3), np.nan), {}),
        (["a"], np.ones((1, 3)), {"groups": [1, 2]}),
        (["a"], np.ones((1, 3)), {"language": "fr"}),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, words, vectors, options):
    with pytest.raises(UserError):
        word_map(words, vectors, tmp_path / "map.png", **options)
    assert not list(tmp_path.iterdir())


def test_chinese_is_drawn_or_the_missing_font_is_named(tmp_path, figures):
    words = ["国王", "王后", "北京", "上海", "word"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        word_map(words, clustered(5), tmp_path / "map.png", language="zh")
    assert pixels(tmp_path / "map.png")[..., :3].std() > 0.005
    font = canvas._font_for(set("国王后北京上海词向量分布图"))
    if font is None:
        (warning,) = caught
        assert canvas.FONT_PACKAGE in str(warning.message) and warning.filename == __file__
    else:
        assert not caught
        characters = set("国王后北京上海")
        assert all(
            canvas._drawn(text.get_fontproperties(), characters) == characters for text in figures[0].axes[0].texts
        )


def test_without_any_chinese_font_there_is_one_warning_and_a_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(canvas, "_candidates", lambda: iter(()))
    for draw in (
        lambda: word_map(["国王", "王后"], clustered(2), tmp_path / "map.png", language="zh"),
        lambda: training_curve(HISTORY, tmp_path / "curve.png", language="zh"),
    ):
        with pytest.warns(UserWarning, match=canvas.FONT_PACKAGE) as caught:
            draw()
        assert len(caught) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"map.png", "curve.png"}


def test_a_font_of_empty_boxes_does_not_count():
    assert canvas._font_for({"\u0378"}) is None  # a code point that Unicode leaves free


@pytest.mark.skipif(
    not importlib.util.find_spec(canvas.FONT_PACKAGE.replace("-", "_")),
    reason=f"{canvas.FONT_PACKAGE} is not installed",
)
def test_the_font_package_draws_chinese():
    fonts = [font for font in canvas._candidates() if font.get_file() and "pylopdf" in str(font.get_file())]
    assert fonts and canvas._drawn(fonts[0], set("词向量分布图龙龘")) == set("词向量分布图龙龘")


@pytest.mark.parametrize(("language", "title", "best"), [("en", "Training", "epoch 2"), ("zh", "训练过程", "第 2 轮")])
@pytest.mark.filterwarnings("ignore:no font here")
def test_curve_shows_losses_metric_and_best_epoch(tmp_path, figures, language, title, best):
    training_curve(HISTORY, tmp_path / "curve.png", language=language)
    image = pixels(tmp_path / "curve.png")
    assert image.shape[:2] == (800, 1400) and image[..., :3].std() > 0.01
    assert figures[0].texts[0].get_text() == title
    (note,) = figures[0].axes[0].texts
    assert best in note.get_text() and "0.8" in note.get_text()
    assert len(figures[0].legends[0].get_texts()) == 3
    left, right = figures[0].axes
    assert any(np.array_equal(line.get_xydata(), [[0.5, 1.5], [1, 1.0], [2, 0.5]]) for line in left.lines)
    assert any(np.array_equal(line.get_xydata(), [[1, 0.6], [2, 0.8], [3, 0.7]]) for line in right.lines)


@pytest.mark.parametrize(
    ("history", "best"),
    [
        ([{"epoch": 1, "eval_loss": 2.0}, {"epoch": 2, "eval_loss": 1.0}, {"epoch": 3, "eval_loss": 1.5}], "epoch 2"),
        ([{"epoch": 1, "eval_perplexity": 9.0}, {"epoch": 2, "eval_perplexity": 8.0}], "epoch 2"),
        ([{"epoch": 1, "eval_own_score": 0.9}, {"epoch": 2, "eval_own_score": 0.8}], "epoch 1"),
        ([{"epoch": 1, "loss": 1.0}], None),
        ([{"epoch": i / 100, "loss": float("nan") if i == 3 else 1 / (i + 1)} for i in range(100)], None),
    ],
)
def test_curve_draws_what_there_is(tmp_path, figures, history, best):
    training_curve(history, tmp_path / "curve.png")
    notes = [note.get_text() for note in figures[0].axes[0].texts]
    assert (best in notes[0]) if best else not notes


@pytest.mark.parametrize("history", [[], [{"epoch": 1, "learning_rate": 0.1}], [{"epoch": 1, "loss": float("nan")}]])
def test_curve_of_nothing_is_refused(tmp_path, history):
    with pytest.raises(UserError, match="history"):
        training_curve(history, tmp_path / "curve.png")
