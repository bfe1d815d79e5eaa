"""What the package prints, in English or Chinese.

English sentences are the keys, so that the code reads naturally; `CHINESE` holds the translations. The language is the
environment variable `WORDEMB_HF_LANGUAGE` (`en`, the default, or `zh`). `tests/test_messages.py` finds every
`translate("...")` in the source and fails when a translation is missing or no longer used.
"""

import os

LANGUAGES = ("en", "zh")

CHINESE: dict[str, str] = {
    "Counting words in {corpus} …": "正在统计 {corpus} 中的词 …",
    "{tokens} words in {documents} documents; {vocabulary} different ones occur at least {min_count} times.": (
        "{documents} 篇文档，共 {tokens} 个词；其中 {vocabulary} 个不同的词至少出现 {min_count} 次。"
    ),
    "{vocabulary} tokens in the vocabulary; {tokens} in {texts} texts of {characters} characters.": (
        "词表共 {vocabulary} 个词元；{texts} 条文本共 {characters} 个字符，切分为 {tokens} 个词元。"
    ),
    "coverage {coverage} %, unknown {unknown} %, {ratio} tokens per character": (
        "覆盖率 {coverage} %，未登录词 {unknown} %，平均每个字符 {ratio} 个词元"
    ),
    "longest: {items}": "最长的词元：{items}",
    "rarest: {items}": "最少见的词元：{items}",
    "most often unknown: {items}": "最常见的未登录词：{items}",
    "tokens of the vocabulary that do not occur: {count}": "词表中未在文本里出现的词元：{count} 个",
    "{count} phrases: {examples} …": "找到 {count} 个短语：{examples} …",
    "The tokenizer is in {output}.": "分词器已存入 {output}。",
    "{train} texts to train on, {dev} for development, {test} for the test; {labels} labels: {names}": (
        "训练集 {train} 条文本，验证集 {dev} 条，测试集 {test} 条；{labels} 个标签：{names}"
    ),
    "{train} texts to train on, {dev} for development, {test} for the test; numbers from {least} to {most}": (
        "训练集 {train} 条文本，验证集 {dev} 条，测试集 {test} 条；数值从 {least} 到 {most}"
    ),
    "{train} sentences to train on, {dev} for development, {test} for the test; {labels} tags: {names}": (
        "训练集 {train} 个句子，验证集 {dev} 个，测试集 {test} 个；{labels} 个标注：{names}"
    ),
    "{train} pairs to train on, {dev} for development, {test} for the test": (
        "训练集 {train} 对文本，验证集 {dev} 对，测试集 {test} 对"
    ),
    "{pairs} pairs": "{pairs} 对文本",
    "Asking {teacher} about {texts} texts …": "教师模型 {teacher} 正在标注 {texts} 条文本 …",
    "Labels of {teacher} alone, left out: {labels}": "只有 {teacher} 才有的标签，已略去：{labels}",
    "{count} texts of {file} have more tokens than --max-length and are cut.": (
        "{file} 中有 {count} 条文本超过 --max-length 个词，已截断。"
    ),
    "Words whose tag the training part lacks count as wrong: {count} in {file} ({tags})": (
        "标注未在训练集中出现的词计为错误：{file} 中有 {count} 个（{tags}）"
    ),
    "epoch {epoch} of {epochs}": "第 {epoch}/{epochs} 轮",
    "step": "步",
    "word": "词",
    "Compiling for this processor; this is done once …": "正在为本机处理器编译，只需一次……",
    "Numba is missing; with the extra `fast`, this takes a fraction of the time.": (
        "没有安装 Numba；装上附加包 `fast`，用时只是现在的几分之一。"
    ),
    "Going on where the training was stopped.": "从上次中断处继续训练。",
    "Going on from step {step}, kept in {folder}.": "从第 {step} 步继续，检查点在 {folder}。",
    "Kept at step {step}: the same command goes on from there.": "已在第 {step} 步保存：再次运行同一命令即可继续。",
    "Trained in {seconds} s, {speed} words/s; the model is in {folder}.": (
        "训练用时 {seconds} 秒，每秒 {speed} 个词；模型已存入 {folder}。"
    ),
    "seed {seed}": "种子 {seed}",
    "fold {fold} of {folds}": "第 {fold} 折（共 {folds} 折）",
    "{count} folds: {figures}": "{count} 折：{figures}",
    "{count} seeds, {part}: {figures}": "{count} 个种子，{part}：{figures}",
    "loss {loss}, {speed} tokens/s, {left} left of all": "损失 {loss}，{speed} 词/秒，全程还需 {left}",
    "Out of memory: larger batches than {numbers} numbers are computed in pieces; steps stay the same.": (
        "内存不足：超过 {numbers} 个数的批次将分块计算，训练步骤不变。"
    ),
    "Trained in {seconds} s; the model is in {folder}.": "训练用时 {seconds} 秒；模型已存入 {folder}。",
    "{texts} texts": "{texts} 条文本",
    "{sentences} sentences": "{sentences} 个句子",
    "F1 of each type: {types}": "各类型的 F1：{types}",
    "{texts} vectors of width {width} are in {file}.": "{texts} 个 {width} 维向量已存入 {file}。",
    "What the answer came from is drawn in {file}.": "答案的由来已画在 {file}。",
    "What speaks for it (orange) and what against (blue)": "支持（橙）与反对（蓝）这一判断的词",
    "{label}: {value}": "{label}：{value}",
    "{label} {share}; logarithm of its odds: {odds}": "{label} {share}；对数几率：{odds}",
    "{label} {share} against {other} {other_share}; logarithm of the odds: {odds}": (
        "{label} {share}，对比 {other} {other_share}；对数几率：{odds}"
    ),
    "Forget gates: how much is kept of what was read before a word": "遗忘门：读到一个词时，之前的内容保留多少",
    "Input gates: how much of a word is let in": "输入门：一个词读入多少",
    "Attention: how much each word counts": "注意力：每个词的权重",
    "Attention of each hop": "每一跳的注意力",
    "Attention of layer {number}, from rows to columns": "第 {number} 层的注意力，由行看向列",
    "Alignment: where the model looked when it wrote each row": "对齐：写出每一行的词时，模型看向哪里",
    "{files} files are at {url}": "{files} 个文件已上传：{url}",
    "{word}: {neighbors}": "{word}：{neighbors}",
    "{words} vectors of width {width} are in {output}.": "{words} 个 {width} 维向量已存入 {output}。",
    "{count} words are there more than once; the first vector of each was kept.": (
        "有 {count} 个词重复出现，各保留第一个向量。"
    ),
    "{count} words hold line breaks or nothing but spaces: left out.": "有 {count} 个词含换行或只有空格，已略去。",
    "{count} words hold spaces or line breaks: left out.": "有 {count} 个词含空格或换行，已略去。",
    "{count} words hold a zero byte: left out.": "有 {count} 个词含零字节，已略去。",
    "The output vectors, which only training needs, are left out.": "只有训练才需要的输出向量未保留。",
    "The n-grams, which give vectors to unseen words, are left out.": "为未登录词提供向量的 n 元组未保留。",
    "The classifier is left out.": "分类器未保留。",
    "The counts of words are left out; their order stays.": "词频未保留；词的顺序不变。",
    "The vectors were converted from a file; its makers know the text and the terms of use.": (
        "这些向量由文件转换而来；训练语料与使用条款请咨询其作者。"
    ),
    "{count} of {words} words the tokenizer never makes of a text, such as {examples}; "
    "--tokenizer-kind whitespace --cased takes words as they are.": (
        "{words} 个词中有 {count} 个是分词器无法从文本中得到的，例如 {examples}；"
        "--tokenizer-kind whitespace --cased 可按原样取词。"
    ),
    "<pad> and <unk> of the file are no words of the tokenizer.": "文件中的 <pad> 和 <unk> 不作为分词器的词。",
    "{a} → {b}, {c} → {answers}": "{a} → {b}，{c} → {answers}",
    "{section}: {right} of {asked} right": "{section}：{asked} 题中答对 {right} 题",
    "{accuracy} % of {asked} analogies are right; {missing} more have a word without a vector.": (
        "{asked} 道类比题答对 {accuracy} %；另有 {missing} 题含有没有向量的词。"
    ),
    "{size} MB are in {folder}; what onnxruntime and PyTorch give differs by at most {difference}.": (
        "已写入 {folder}，共 {size} MB；onnxruntime 与 PyTorch 的结果至多相差 {difference}。"
    ),
    "{one}, {other}: {cosine}": "{one}，{other}：{cosine}",
    "Spearman {spearman}, Pearson {pearson} of {pairs} pairs; {missing} more have a word without a vector.": (
        "{pairs} 对词：斯皮尔曼相关系数 {spearman}，皮尔逊相关系数 {pearson}；另有 {missing} 对含有没有向量的词。"
    ),
    "Without word vectors to start from: {families}.": "不能以给定的词向量为初始值：{families}。",
    "Families with word vectors of their own start from those of {vectors}.": (
        "凡自带词向量的模型，均以 {vectors} 的词向量为初始值。"
    ),
    "{name}, seed {seed} …": "{name}，随机种子 {seed} …",
    "{name}: {figures}; {seconds} s": "{name}：{figures}；{seconds} 秒",
    "{name} is missing: {why}": "缺少 {name}：{why}",
    "The report is in {file}.": "报告已存入 {file}。",
    "{data}: which model is enough": "{data}：哪个模型就够了",
    "Take {name}: at {quality} % on dev, with {latency} ms for a text and {size}.": (
        "建议用 {name}：验证集 {quality} %，每条文本 {latency} 毫秒，大小 {size}。"
    ),
    "Take {name}: with {quality} % on dev it is within one spread ({margin}) of the best, {best} "
    "({best_quality} %), and needs {latency} ms for a text and {size}, not {best_latency} ms and {best_size}.": (
        "建议用 {name}：验证集 {quality} %，与最好的 {best}（{best_quality} %）相差不到一个波动幅度（{margin}），"
        "而每条文本只需 {latency} 毫秒、大小 {size}，后者则需 {best_latency} 毫秒、{best_size}。"
    ),
    "But the baseline, {baseline}, is at least as good: {quality} %.": "但基线 {baseline} 不比它差：{quality} %。",
    "The baseline, {baseline}, has {quality} %.": "基线 {baseline} 为 {quality} %。",
    "model": "模型",
    "parameters": "参数量",
    "size": "大小",
    "training, s": "训练（秒）",
    "p50, ms": "p50（毫秒）",
    "p95, ms": "p95（毫秒）",
    "texts/s": "文本/秒",
    "Not trained": "未能训练",
    "milliseconds for one text, on the CPU": "CPU 上每条文本的毫秒数",
    "size of weights and vocabulary": "权重与词表的大小",
    "Quality against latency; nothing lies above the green line.": "质量与延迟；绿线之上没有模型。",
    "Quality against size; nothing lies above the green line.": "质量与大小；绿线之上没有模型。",
    "Mean ± sample standard deviation; trainings of each model: {seeds}. The development part decides which of "
    "them is kept and which model is recommended; the test part decides nothing.": (
        "均值 ± 样本标准差，每个模型训练 {seeds} 次。保留哪一次的模型、推荐哪个模型，都只看验证集；测试集不参与决定。"
    ),
    "One spread is the standard deviation of the best model over its trainings or, with one, the standard "
    "error of a share of {texts} texts.": (
        "一个波动幅度，是最好的模型各次训练结果的标准差；只训练一次时，是 {texts} 条文本上比例的标准误差。"
    ),
    "Training is the wall time of one, from the texts to the finished folder. Size is that of weights and "
    "vocabulary.": "训练时间是一次训练从读入文本到写完模型文件夹的实际用时。大小指权重与词表。",
    "Latency: texts of the data one at a time, from the string to the scores, warm, on the CPU; p50 is the "
    "median. Texts in a second: in batches. Threads of PyTorch: {threads}.": (
        "延迟：预热后在 CPU 上逐条处理数据中的文本，从字符串到得分；p50 为中位数。每秒文本数按批处理计。"
        "PyTorch 线程数：{threads}。"
    ),
    "TF-IDF + logistic regression": "TF-IDF + 逻辑回归",
    "most frequent tags": "最常见标注",
    "CRF on features": "特征 CRF",
    "loss": "损失",
    "accuracy": "准确率",
    "macro_f1": "宏平均 F1",
    "micro_f1": "微平均 F1",
    "pearson": "皮尔逊相关系数",
    "spearman": "斯皮尔曼相关系数",
    "mse": "均方误差",
    "f1": "F1 值",
    "precision": "精确率",
    "recall": "召回率",
    "bleu": "BLEU 值",
    "chrf": "chrF 值",
    "rouge_l": "ROUGE-L 值",
    "exact_match": "完全匹配",
    "baseline_bleu": "基线 BLEU 值",
    "baseline_chrf": "基线 chrF 值",
    "baseline_rouge_l": "基线 ROUGE-L 值",
    "baseline_exact_match": "基线完全匹配",
    "baseline_accuracy": "基线准确率",
    "baseline_macro_f1": "基线宏平均 F1",
    "baseline_micro_f1": "基线微平均 F1",
    "baseline_pearson": "基线皮尔逊相关系数",
    "baseline_spearman": "基线斯皮尔曼相关系数",
    "baseline_mse": "基线均方误差",
    "baseline_f1": "基线 F1 值",
    "baseline_precision": "基线精确率",
    "baseline_recall": "基线召回率",
    "dev": "验证集",
    "test": "测试集",
    "error": "错误",
    "stopped": "已停止",
}


def language() -> str:
    """The language of what is printed: `en` or `zh`."""
    return "zh" if os.environ.get("WORDEMB_HF_LANGUAGE", "en").lower().startswith("zh") else "en"


def translate(sentence: str, /, **values: object) -> str:
    """`sentence` in the current language, with `{names}` filled from `values` as `str.format` does.

    A sentence without a translation stays English.
    """
    template = CHINESE.get(sentence, sentence) if language() == "zh" else sentence
    return template.format(**values)
