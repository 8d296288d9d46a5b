"""What training asks of each tabular task: labels, baselines, losses and the head. One file a task."""
