"""Models side by side on one data set: what is known of each, how it is measured, which is enough, how it is shown."""
