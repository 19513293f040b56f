"""Lets the sessions of all of Airflow's processes read the warehouse's clock that the soak sets."""

from tests.soak import clock

clock.use_in_this_process()
