"""The main job on real input, with the verbs that a user will type: `python scripts/tour.py` where it is installed.

Text -> word vectors -> neighbours -> a classifier that starts from the vectors -> a folder that anyone can load. The
language is `WORDEMB_HF_LANGUAGE`. What an earlier run has made is used again; delete the folder to begin anew.
"""

import json
import os
import shlex
import sys
import time
from pathlib import Path

# This folder stands first on the path, where its evaluate.py would pass for the evaluate library.
sys.path = [path for path in sys.path if path != str(Path(__file__).parent)]

from wordemb_hf import samples  # noqa: E402
from wordemb_hf.cli import main  # noqa: E402
from wordemb_hf.messages import language  # noqa: E402

TEXT = {
    "en": {
        "corpus": "1. Text: the documentation that came with Python and its packages",
        "words": "   {documents:,} paragraphs are in {file}",
        "vectors": "2. Word vectors from that text",
        "neighbors": "3. Which words lie near which",
        "classifier": "4. A classifier of requests to an assistant that starts from these vectors",
        "load": "5. The folder loads like any Hugging Face model",
        "kept": "   {folder} is there from an earlier run; delete it to train again",
        "result": "Accuracy on the test part: TextCNN {model:.1%}, TF-IDF + logistic regression {baseline:.1%}",
        "folder": "The model, its code and its card (README.md): {folder}",
        "pictures": "Pictures: {map} and {curve}",
        "push": "To share it on the Hugging Face Hub: log in with `hf auth login`, then",
        "next": "Your own data: wordemb-hf finetune --help, wordemb-hf pretrain --help",
        "seconds": "Done in {seconds:.0f} seconds.",
    },
    "zh": {
        "corpus": "1. 文本：由句型和词表展开的中文句子，只作演示；请用 --corpus 换成真实语料",
        "words": "   {documents:,} 个句子已写入 {file}",
        "vectors": "2. 用这些文本训练字向量",
        "neighbors": "3. 哪些字彼此相近",
        "classifier": "4. 以这些向量为起点，训练一个助手请求的意图分类器",
        "load": "5. 这个文件夹可以像任何 Hugging Face 模型一样加载",
        "kept": "   {folder} 是上次运行留下的；要重新训练，请先删除它",
        "result": "测试集准确率：TextCNN {model:.1%}，TF-IDF + 逻辑回归 {baseline:.1%}",
        "folder": "模型、代码和模型卡（README.md）在：{folder}",
        "pictures": "图片：{map} 和 {curve}",
        "push": "发布到 Hugging Face Hub：先用 `hf auth login` 登录，然后运行",
        "next": "换成你自己的数据：wordemb-hf finetune --help、wordemb-hf pretrain --help",
        "seconds": "完成，用时 {seconds:.0f} 秒。",
    },
}

VECTORS = {
    # A small text: a high rate, and frequent words thinned out more.
    "en": "--epochs 5 --learning-rate 0.05 --subsample-threshold 1e-4",
    "zh": "--tokenizer-kind char --epochs 5 --min-count 2",
}
WORDS = {"en": "file list error three red string", "zh": "红 三 春 东 雨 鱼"}
REQUESTS = {
    "en": [
        "could you get me up at a quarter to seven",
        "tell Maya the train is late",
        "will it be dry enough for a picnic on Sunday",
        "make the hallway a bit brighter",
    ],
    "zh": ["明早七点差一刻把我弄醒", "跟小雅说火车晚点了", "周日适合出去野餐吗，会不会下雨", "走廊再亮一点"],
}


def run(command: str) -> None:
    """Show a command and run it, here and not in a new process, which would spend its time on imports."""
    print(f"\n$ wordemb-hf {command}", flush=True)
    try:
        main(shlex.split(command))
    except SystemExit as end:
        if end.code:
            raise


def tour() -> None:
    """All five steps."""
    started = time.monotonic()
    here, text = language(), TEXT[language()]
    folder = Path("runs") / f"quickstart-{here}"
    corpus, vectors, classifier = folder / "corpus.txt", folder / "vectors", folder / "classifier"
    folder.mkdir(parents=True, exist_ok=True)

    print(text["corpus"], flush=True)
    if corpus.exists():
        print(text["kept"].format(folder=corpus))
    else:
        print(text["words"].format(documents=samples.write_corpus(here, corpus), file=corpus))

    print("\n" + text["vectors"])
    if vectors.exists():
        print(text["kept"].format(folder=vectors))
    else:
        run(f"pretrain --corpus {corpus.as_posix()} --output {vectors.as_posix()} --language {here} {VECTORS[here]}")

    print("\n" + text["neighbors"])
    run(f"neighbors {vectors.as_posix()} {WORDS[here]} --top 6")

    print("\n" + text["classifier"])
    data = os.path.relpath(samples.folder(here))
    if classifier.exists():
        print(text["kept"].format(folder=classifier))
    else:
        kind = " --tokenizer-kind char" if here == "zh" else ""
        run(
            f"finetune --data {Path(data).as_posix()} --vectors {vectors.as_posix()} --output {classifier.as_posix()} "
            f"--baseline{kind}"
        )

    print("\n" + text["load"])
    load(classifier, REQUESTS[here])

    measured = json.loads((classifier / "metrics.json").read_text(encoding="utf-8"))["test"]
    result = text["result"].format(model=measured["accuracy"], baseline=measured["baseline_accuracy"])
    pictures = text["pictures"].format(map=vectors / "word_map.png", curve=classifier / "training_curve.png")
    print(f"\n{result}\n{text['folder'].format(folder=classifier)}\n{pictures}")
    print(f"{text['push']}\n  wordemb-hf push {classifier.as_posix()} <you>/my-classifier\n{text['next']}")
    print(text["seconds"].format(seconds=time.monotonic() - started))


def load(classifier: Path, requests: list[str]) -> None:
    """Load the folder with transformers alone and label a few texts that nobody has trained on."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    model = AutoModelForSequenceClassification.from_pretrained(classifier)
    classify = pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(classifier))
    print(
        f"\n>>> model = AutoModelForSequenceClassification.from_pretrained('{classifier.as_posix()}')\n"
        f">>> tokenizer = AutoTokenizer.from_pretrained('{classifier.as_posix()}')\n"
        ">>> classify = pipeline('text-classification', model=model, tokenizer=tokenizer)"
    )
    for request, answer in zip(requests, classify(requests), strict=True):
        print(f">>> classify('{request}')\n{answer['label']} {answer['score']:.2f}")


if __name__ == "__main__":
    tour()
