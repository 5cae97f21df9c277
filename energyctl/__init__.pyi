from energyctl import charts as charts
from energyctl import figures as figures
from energyctl.analysis.comparing import compare as compare
from energyctl.energy import Energy as Energy
from energyctl.errors import EnergyctlError as EnergyctlError
from energyctl.errors import MachineError as MachineError
from energyctl.errors import SettingsError as SettingsError
from energyctl.marks import epoch as epoch
from energyctl.marks import epoch_begin as epoch_begin
from energyctl.marks import keras_callback as keras_callback
from energyctl.marks import lightning_callback as lightning_callback
from energyctl.marks import mark as mark
from energyctl.marks import tracked as tracked
from energyctl.marks import transformers_callback as transformers_callback
from energyctl.meters.meter import Meter as Meter
from energyctl.meters.meter import MeteredPhase as MeteredPhase
from energyctl.meters.meter import PhaseEnergy as PhaseEnergy
from energyctl.results.api import Run as Run
from energyctl.results.api import Runs as Runs
from energyctl.results.api import load as load

__version__: str
