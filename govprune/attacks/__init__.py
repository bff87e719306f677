"""The attacks, on the Adversarial Robustness Toolbox. Checks ask; nothing here judges."""
