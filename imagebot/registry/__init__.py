"""Container registries and the Docker Engine: tags, digests and facts about images."""
