"""Pre-training objectives: what a batch is when the text itself is the teacher."""
