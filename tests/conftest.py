"""For the whole suite: no test fails because the machine was busy."""

from hypothesis import HealthCheck, settings

settings.register_profile("recollect", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("recollect")
