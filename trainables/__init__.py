"""What a trial *is*: configuration, tasks, encoder, engine, stages. Runs without Ray Tune and Optuna."""
