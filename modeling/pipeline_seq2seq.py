"""The pipeline of models that turn one text into another; transformers 5 has none of its own."""

from typing import Any

from transformers.pipelines.base import Pipeline


class Seq2SeqPipeline(Pipeline):
    """Writes a text for each text.

    `pipeline("wordemb-seq2seq", model=repo, trust_remote_code=True)` makes one. What `generate()` takes (`num_beams`,
    `length_penalty`, `max_new_tokens`, …) may be given there or with a call; `num_return_sequences` asks for the best.

    Returns:
        For a text a list of `{"generated_text": ...}`, the best first, one unless more are asked for; for a list of
        texts one such list each. With beams also `score`, the log-probability by the length to the power of
        `length_penalty`.
    """

    _load_processor: Any = False
    _load_image_processor: Any = False
    _load_feature_extractor: Any = False
    _load_tokenizer: Any = True

    def _sanitize_parameters(self, truncation=True, **generate_options):
        return {"truncation": truncation}, generate_options, {}

    def preprocess(self, input_: Any, truncation: Any = True) -> dict[str, Any]:  # type: ignore[override]
        """A text as ids; one that is longer than the tokenizer's limit is cut."""
        if not isinstance(input_, str):
            raise ValueError(f"a text is expected, not {type(input_).__name__}")
        assert self.tokenizer is not None
        limited = truncation and self.tokenizer.model_max_length < 1_000_000
        return dict(self.tokenizer(input_, truncation=limited, return_tensors="pt"))

    def _forward(self, model_inputs: Any, **generate_options: Any) -> Any:  # type: ignore[override]
        options = {"return_dict_in_generate": True, "output_scores": True, **generate_options}
        texts = len(model_inputs["input_ids"])
        model: Any = self.model
        written = model.generate(**model_inputs, **options)
        output = {"sequences": written.sequences.view(texts, -1, written.sequences.shape[-1])}
        if getattr(written, "sequences_scores", None) is not None:
            output["scores"] = written.sequences_scores.view(texts, -1)
        return output

    def postprocess(self, model_outputs: Any) -> list[dict[str, Any]]:  # type: ignore[override]
        """The texts of ids."""
        assert self.tokenizer is not None
        (sequences,) = model_outputs["sequences"]
        texts = self.tokenizer.batch_decode(sequences, skip_special_tokens=True)
        rows: list[dict[str, Any]] = [{"generated_text": text.strip()} for text in texts]
        if "scores" in model_outputs:
            for row, score in zip(rows, model_outputs["scores"][0].tolist(), strict=True):
                row["score"] = score
        return rows
