"""A series of numbers in place of words: forecast tomorrow's demand from two weeks of demand, temperature and weekday.

    python scripts/time_series.py

A recurrent model reads vectors as well as words. Each step of the series is a row of features, handed over as
`inputs_embeds (batch, steps, features)`; `RNNForSequenceClassification` with one label is then a regression. The series
is drawn here, so that the script needs nothing else: demand follows the season, the day of the week and the temperature
of the last days, with noise. Two simple forecasts stand beside ours: the value of a week ago, and a linear regression.
"""

import numpy as np
import torch
from wordemb_hf.modeling import RNNConfig, RNNForSequenceClassification

DAYS, WINDOW, TEST = 3000, 14, 500


def draw_series(seed: int = 0) -> np.ndarray:
    """Demand, temperature, and weekend or not, for each day: `(days, 3)`."""
    random = np.random.default_rng(seed)
    day = np.arange(DAYS)
    temperature = (
        12 + 10 * np.sin(2 * np.pi * day / 365) + np.convolve(random.normal(0, 2, DAYS), [0.6, 0.3, 0.1], "same")
    )
    weekend = (day % 7 >= 5).astype(float)
    # Heating below 15 degrees, cooling above 20, by what the last three days were like; less of all on weekends.
    felt = np.convolve(temperature, [0.5, 0.3, 0.2])[:DAYS]
    weather = 1.5 * np.maximum(15 - felt, 0) + 2.5 * np.maximum(felt - 20, 0)
    demand = (60 + weather) * (1 - 0.3 * weekend) + random.normal(0, 1.5, DAYS)
    return np.stack([demand, temperature, weekend], axis=1)


def main() -> None:
    """Train on the past, forecast the last days, and print the errors."""
    torch.manual_seed(0)
    series = draw_series()
    train_days = DAYS - TEST
    mean, scale = series[:train_days].mean(0), series[:train_days].std(0)
    scaled = torch.tensor((series - mean) / scale, dtype=torch.float32)
    # What is known of tomorrow beside the past is which day it is: each step carries the next day's weekend mark.
    features = torch.cat([scaled[:-1], scaled[1:, 2:]], dim=1)  # (days - 1, 4)
    windows = features.unfold(0, WINDOW, 1).transpose(1, 2)  # (windows, WINDOW, 4)
    targets = scaled[WINDOW:, 0]  # (windows,)
    cut = len(windows) - TEST

    model = RNNForSequenceClassification(
        RNNConfig(
            vocab_size=1,  # no words
            embedding_size=features.shape[1],
            hidden_size=32,
            num_hidden_layers=1,
            cell_type="gru",
            num_labels=1,
            problem_type="regression",
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for epoch in range(20):
        losses = []
        for rows in torch.randperm(cut).split(64):
            loss = model(inputs_embeds=windows[rows], labels=targets[rows]).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: mean square error {np.mean(losses):.4f} of the scaled demand")

    with torch.no_grad():
        forecast = model.eval()(inputs_embeds=windows[cut:]).logits.squeeze(1).numpy()
    design = np.c_[windows.flatten(1).numpy(), np.ones(len(windows))]
    weights, *_ = np.linalg.lstsq(design[:cut], targets[:cut].numpy(), rcond=None)
    truth = series[-TEST:, 0]
    print(f"mean absolute error of the last {TEST} days:")
    for name, values in (
        ("as a week ago", series[-TEST - 7 : -7, 0]),
        ("linear regression", design[cut:] @ weights * scale[0] + mean[0]),
        ("GRU", forecast * scale[0] + mean[0]),
    ):
        print(f"  {name:18} {np.abs(values - truth).mean():.2f}")


if __name__ == "__main__":
    main()
