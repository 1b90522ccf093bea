"""Local sign-in: passwords, lockouts, captcha, second factor, recovery, and the policy's routes."""
