"""How good the gates are: slowdowns put into simulated suites (``noise``), and what each gate finds of them (``rates``)."""

from harness.gatecheck.rates import GateRates, Rates, measure_rates

__all__ = ["GateRates", "Rates", "measure_rates"]
