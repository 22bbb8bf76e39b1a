"""The convergence table: one row per tile. Its columns are a contract with whoever queries it."""

import pyarrow as pa

SCHEMA_VERSION = "1"

_COLUMNS: list[tuple[str, pa.DataType, str]] = [
    ("run", pa.string(), "id of the flow run that restored the tile"),
    ("collection", pa.string(), "name in the catalogue"),
    ("input", pa.string(), "name of the input below the collection"),
    ("key", pa.string(), "key of this restoration of the input: facts, recipe, code version and fingerprint"),
    ("tile", pa.int64(), "number of the tile in the input, row-major over t, c, z, y, x"),
    ("t", pa.int32(), "time index"),
    ("c", pa.int32(), "channel index; -1 where all channels are restored jointly"),
    ("z", pa.int32(), "plane index"),
    ("y0", pa.int32(), "first row that the tile owns, pixels"),
    ("x0", pa.int32(), "first column that the tile owns, pixels"),
    ("h", pa.int32(), "rows that the tile owns, pixels"),
    ("w", pa.int32(), "columns that the tile owns, pixels"),
    ("shard", pa.int32(), "number of the shard in the input"),
    ("lot", pa.string(), "id of the lot"),
    ("method", pa.string(), "restoration method"),
    ("recipe", pa.string(), "hash of the recipe"),
    ("start", pa.string(), "where the fit began: random, <learned start>:<id>, or input:<hash of the weights>"),
    (
        "rung",
        pa.string(),
        "of a learned start: `start` as it is, the last adaptation that was accepted, or `scratch` where it did not "
        "suit; null without a learned start",
    ),
    ("seed", pa.int64(), "seed of the tile"),
    (
        "noise_sigma",
        pa.float64(),
        "standard deviation of the noise at the tile's mean, data units, mean of its channels",
    ),
    (
        "noise_gain",
        pa.float64(),
        "gain of the noise (data units per photo-electron), mean of the channels; 0 for Gaussian noise",
    ),
    ("noise_correlation", pa.float64(), "lag-1 correlation of the noise; 0 for white noise"),
    (
        "noise_shown",
        pa.float64(),
        "noise that the input shows over what was told or pooled (standard deviations); texture adds to it; else null",
    ),
    ("valid", pa.float64(), "share of the tile's pixels that were measured"),
    ("factor", pa.int32(), "pixels of the image per measured one, along y and x; above 1 where it was enlarged"),
    ("steps", pa.int32(), "own steps of the tile; 0 for plain inference or a direct method"),
    ("best_step", pa.int32(), "step whose estimate was kept"),
    ("status", pa.string(), "direct, stopped, budget, diverged, out_of_memory, killed, skipped"),
    ("stop_reason", pa.string(), "in words"),
    ("first_loss", pa.float64(), "loss before the first step"),
    ("best_loss", pa.float64(), "lowest recorded loss"),
    ("last_loss", pa.float64(), "last loss"),
    ("curve_step", pa.list_(pa.int32()), "steps of the loss curve, at most 64"),
    ("curve_loss", pa.list_(pa.float32()), "losses of the curve"),
    (
        "risk",
        pa.float64(),
        "estimated mean squared error (SURE, or at withheld pixels beside the control) over the noise variance; 1 is "
        "as bad as the input",
    ),
    (
        "risk_psnr",
        pa.float64(),
        "estimated PSNR of the image in dB, as psnr; a risk below 0.03 counts as that, below 0.1 where noise was found "
        "in fewer than 128 x 128 px; none where a PSF is undone",
    ),
    ("control_risk", pa.float64(), "the same as risk, of the classical control"),
    (
        "skill",
        pa.float64(),
        "10 log10(control_risk / risk), dB; of their gap what is beyond two standard errors counts, and risks below "
        "0.03 count as 0.03: above 0 the method beats the control",
    ),
    (
        "spread",
        pa.float64(),
        "rms of the estimate's own standard deviation over the noise (sampling methods); null where there is none",
    ),
    ("share", pa.float64(), "weight of the method in the result, the rest is the control's; null without a control"),
    ("residual_ratio", pa.float64(), "standard deviation of the residual over the expected noise; near 1 is right"),
    (
        "residual_correlation",
        pa.float64(),
        "lag-1 correlation of the residual minus that of the noise; near 0 is right",
    ),
    ("residual_mean", pa.float64(), "mean of the residual over the noise: brightness shift"),
    (
        "shift",
        pa.float64(),
        "by how much an enlarged image, measured again, lies beside y, in its pixels, the larger axis; else null",
    ),
    (
        "flux",
        pa.float64(),
        "share of light that the image, measured again, has more than y; null where noise hides 1 %",
    ),
    (
        "ringing",
        pa.float64(),
        "how far a sharpened image swings beyond what was measured around it, on both sides, over the contrast",
    ),
    (
        "seam",
        pa.float64(),
        "rms disagreement with the neighbouring tiles where they overlap, over the noise; null without overlap",
    ),
    (
        "guide_psnr",
        pa.float64(),
        "one scale lower, at pixels kept from learning: PSNR in dB of bands sharpened by a guide; null without one",
    ),
    ("guide_skill", pa.float64(), "how much better than the control alone the result was there, dB"),
    ("guide_gain", pa.float64(), "how much better than interpolation it was there, dB"),
    ("psnr_noisy", pa.float64(), "true PSNR of the input against the reference, dB; null without one"),
    ("psnr", pa.float64(), "true PSNR of the estimate, dB; null without a reference"),
    ("psnr_control", pa.float64(), "true PSNR of the control, dB; null without a reference"),
    ("filled", pa.float64(), "share of the tile's pixels that were inferred, not measured; null where none were"),
    ("fill_deep", pa.float64(), "share of the tile's pixels that were inferred more than 8 px from any measured one"),
    (
        "fill_share",
        pa.float64(),
        "weight of the filling method in the filled pixels, the rest is a smooth surface's; chosen at hidden pixels",
    ),
    (
        "fill_psnr",
        pa.float64(),
        "PSNR in dB that is expected of the filled pixels: that at hidden measured ones, less fill_rougher in dB",
    ),
    ("fill_skill", pa.float64(), "how much better than the smooth surface alone it was there, dB"),
    (
        "fill_explained",
        pa.float64(),
        "share of the variance there that it foretold; null where nothing varies, or nothing could be hidden",
    ),
    ("fill_rougher", pa.float64(), "how many times as rough the image is around the gaps as where filling was tried"),
    ("fill_seconds", pa.float64(), "the tile's share of the wall time of its filling, and of trying it"),
    ("psnr_filled", pa.float64(), "true PSNR of the filled pixels, dB; null without a reference"),
    ("verdict", pa.string(), "good, suspect, failed, or empty for a skipped tile"),
    ("verdict_reason", pa.string(), "why it is not good"),
    ("seconds", pa.float64(), "the tile's share of the fit's wall time"),
    ("device", pa.string(), "cpu, cuda:0 ..."),
    ("peak_bytes", pa.int64(), "peak memory of the worker (CPU: resident, GPU: allocated) when the tile was done"),
    ("attempts", pa.int32(), "how often its lot was begun"),
    ("finished_at", pa.timestamp("ms", tz="UTC"), "when the tile's lot was committed"),
]

SCHEMA = pa.schema([pa.field(name, kind) for name, kind, _ in _COLUMNS], metadata={"selfmend_schema": SCHEMA_VERSION})
MEANING = {name: meaning for name, _, meaning in _COLUMNS}
CONVERGENCE = "convergence"  # folder of the table, beside the images of a collection
