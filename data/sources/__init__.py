"""Where bars come from: the shipped sample, files that a person has."""
