"""The attacks: mostly those of the Adversarial Robustness Toolbox. Nothing here judges."""
