"""Packaging: `modeling/` and `tokenization/` lie at the root, and are installed inside `wordemb_hf`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent

# Read as text: importing the package would need its dependencies before they are installed.
VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "wordemb_hf/__init__.py").read_text(encoding="utf-8"), re.M)[1]

setup(
    name="wordemb-hf",
    version=VERSION,
    description="Word embeddings and small text models that load, train and share like any Hugging Face model",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="the wordemb-hf authors",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    keywords="word-embeddings word2vec fasttext textcnn lstm elmo attention transformer huggingface nlp",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Natural Language :: Chinese (Simplified)",
        "Natural Language :: English",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Text Processing :: Linguistic",
        "Typing :: Typed",
    ],
    packages=[*find_packages(include=["wordemb_hf", "wordemb_hf.*"]), "wordemb_hf.modeling", "wordemb_hf.tokenization"],
    package_dir={"wordemb_hf.modeling": "modeling", "wordemb_hf.tokenization": "tokenization"},
    package_data={"wordemb_hf": ["py.typed", "*.md", "samples/**/*.jsonl", "samples/**/*.txt", "samples/**/*.json"]},
    entry_points={"console_scripts": ["wordemb-hf = wordemb_hf.cli:main"]},
    python_requires=">=3.11",
    install_requires=[
        "transformers>=5.17,<6",
        # The lowest that transformers itself accepts over that range.
        "accelerate>=1.1.0",
        "huggingface-hub>=1.5.0,<3",
        "safetensors>=0.8.0",
        "tokenizers>=0.23.1",
        "torch>=2.6",
        # Releases from the time of numpy 2 on.
        "datasets>=4.0",
        "evaluate>=0.4.6",
        "filelock>=3.13",
        "matplotlib>=3.9",
        "numpy>=2.0",
        "sacrebleu>=2.4",
        "scikit-learn>=1.5.2",
        "scipy>=1.14.1",
        "seqeval>=1.2.2",
        "jinja2>=3.1",
        "pyyaml>=6.0.1",
        "tqdm>=4.66.3",
        "typer>=0.15",
    ],
    extras_require={
        # Chinese words: jieba's dictionary, OpenCC's pairs of simplified and traditional characters, and Noto Sans SC,
        # the font of Chinese words in pictures, where the system has none.
        "zh": ["jieba>=0.42", "opencc>=1.1.9", "pylopdf-fonts-zh-cn>=0.1.1"],
        # Official weights of ELMo are HDF5 files.
        "elmo": ["h5py>=3.11"],
        # Approximate search among very many words.
        "index": ["faiss-cpu>=1.11"],
        # To other runtimes.
        "onnx": ["onnx>=1.19", "onnxruntime>=1.22", "onnxscript>=0.5.3"],
        # The GPU engine of word2vec; torch for CUDA brings it along, and pins it. Not in dev: 286 MB.
        "gpu": ["triton>=3.4; sys_platform == 'linux'"],
        # The engine of word2vec; the first release that takes Python 3.13 and numpy 2.1.
        "fast": ["numba>=0.61"],
        # A CRF on features of words, beside which `compare` puts taggers.
        "crf": ["python-crfsuite>=0.9.11"],
        # What draws a training while it runs; or trackio, or wandb.
        "trackers": ["tensorboard>=2.19"],
        # Vector files that end in .zst.
        "zst": ["zstandard>=0.22"],
        "dev": [
            "build>=1.2",
            "faiss-cpu>=1.11",
            "gensim>=4.4",
            "h5py>=3.11",
            "hypothesis>=6.100",
            "jieba>=0.42",
            "mypy>=1.15",
            "numba>=0.61",
            "onnx>=1.19",
            "onnxruntime>=1.22",
            "onnxscript>=0.5.3",
            "opencc>=1.1.9",
            "pytest>=8.3",
            "pytest-xdist>=3.6",
            "python-crfsuite>=0.9.11",
            "ruff>=0.9",
            "sentence-transformers>=6.2",
            "tensorboard>=2.19",
            # The packaging test builds without isolation, so that it needs no network.
            "setuptools>=77.0.3",
            "types-PyYAML",
            "types-tqdm",
            "zstandard>=0.22",
        ],
    },
)
