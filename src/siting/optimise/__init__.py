"""The model, the solver call, the exact methods and the proof."""
