"""Fine-tuning tasks: what a batch is and which metric reads the answer."""
