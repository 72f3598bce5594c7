"""What the planner asks for: one frozen study, read from a YAML file.

Every field is documented where it is declared; ``siting schema`` prints the same as JSON Schema
for editors. Unknown keys are refused, and all faults are reported at once with their line.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from siting.domain import Accounts, Datum, Direction, Engine, Facility, RobustRule
from siting.errors import Fault, StudyError
from siting.notebook import show_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_STUDY_BYTES = 1_000_000
MAX_DEPTH = 50
_NO_CHARACTER = re.compile(r"[\0\ud800-\udfff]")
HOURS_OF_DAY = 24
MAX_TILE_ZOOM = 18
SAME_SHARE = 1e-9
TILE_URL_PATTERN = r"^https://[A-Za-z0-9.-]+(:[0-9]+)?/[A-Za-z0-9/._~?&=%{}@,+-]*$"

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$")]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _flags_are_no_numbers(cls, values: Any) -> Any:  # noqa: ANN401 - whatever the YAML holds
        """Refuse ``true`` where no flag is asked for; pydantic would read it as 1."""
        if isinstance(values, dict):
            fields = cls.model_fields
            flags = [name for name, value in values.items() if isinstance(value, bool)]
            wrong = [
                name for name in flags if name in fields and fields[name].annotation is not bool
            ]
            if wrong:
                raise ValueError(f"{', '.join(wrong)}: true and false are no values for this")
        return values


M = TypeVar("M", bound=_Model)


class Text(_Model):
    """A text in the map's two languages."""

    en: str
    """English."""
    zh: str | None = None
    """Chinese; the English text stands in where it is missing."""


class Brand(_Model):
    """One brand of the alliance: its drivers, its cars, its money."""

    id: Id
    """Short id; the vehicle table's column of this brand is `vehicles_<id>`."""
    name: str
    """Name as shown."""
    name_zh: str | None = None
    """Name as shown in Chinese."""
    usable_power_kw: Positive = 100.0
    """Mean charging power that this brand's cars can take (kW); it bounds a session's speed."""
    budget_cny: NonNegative | None = None
    """Cash that this brand can bring; used when the joint investment is split."""
    floor: Share = 0.0
    """Least share of this brand's demand that the plan must serve (0 to 1)."""
    km_per_day: Positive | None = None
    """This brand's own distance a day, instead of `energy.km_per_day` (km)."""
    kwh_per_km: Positive | None = None
    """This brand's own need of energy, instead of `energy.kwh_per_km` (kWh/km)."""
    public_share: Share | None = None
    """This brand's own share charged in public, instead of `energy.public_share` (0 to 1)."""
    range_km: Positive | None = None
    """How far a full battery drives on the road (km); every brand has it where there are trips."""


class VehicleFormat(StrEnum):
    """How vehicle density comes."""

    POINTS = "points"
    ZONES = "zones"
    H3 = "h3"
    RASTER = "raster"


class Spread(StrEnum):
    """How a zone's demand is spread inside it."""

    ROADS = "roads"
    POPULATION = "population"


class BrandRaster(_Model):
    """One brand's vehicles as a raster."""

    brand: Id
    """Id of the brand."""
    path: Path
    """GeoTIFF whose cells hold numbers of vehicles, in any CRS that it states."""
    band: Annotated[int, Field(ge=1)] = 1
    """The raster's band, from 1; several brands may share a file."""


class Vehicles(_Model):
    """Vehicle density by brand."""

    path: Path | None = None
    """CSV, Parquet, GeoJSON or GeoPackage with a column `vehicles_<brand id>` per brand."""
    format: VehicleFormat = VehicleFormat.POINTS
    """`points` (longitude, latitude), `zones` (polygons), `h3` (a column `h3_cell`) or `raster`."""
    rasters: list[BrandRaster] = Field(default_factory=list)
    """Instead of `path`, for `raster`: a file or a band for each brand."""
    datum: Datum = Datum.WGS84
    """Datum of the coordinates."""
    id_column: str | None = None
    """Column with the ids; zone_id, demand_id, h3_cell, adcode or id is taken if it is not set."""
    zones_path: Path | None = None
    """Polygons that the table's ids are joined to, for `zones` without polygons of their own."""
    zones_id_column: str | None = None
    """Column of the polygons' ids; zone_id, adcode or id is taken if it is not set."""
    point_spacing_m: Annotated[float, Field(ge=50, le=20_000, allow_inf_nan=False)] = 800.0
    """A zone's demand stands at about one point per square of this side (m); finer cells of a
    raster are joined to such squares."""
    spread: Spread = Spread.ROADS
    """Whether a zone's demand follows its `roads`, or its people (`population`, which needs
    `inputs.population`)."""
    illustrative: bool = False
    """True for made figures; the map, the tables and the report then say so."""
    source: str | None = None
    """Where the figures come from, as shown on the map."""

    @model_validator(mode="after")
    def _options_fit_the_format(self) -> Self:
        if self.zones_path is not None and self.format is not VehicleFormat.ZONES:
            raise ValueError("zones_path goes with `format: zones`")
        is_raster = self.format is VehicleFormat.RASTER
        if is_raster != bool(self.rasters) or is_raster != (self.path is None):
            raise ValueError("give rasters for `format: raster`, and a path for all others")
        brands = [raster.brand for raster in self.rasters]
        if len(set(brands)) < len(brands):
            raise ValueError("give one raster for each brand")
        if self.spread is Spread.POPULATION and self.format is VehicleFormat.POINTS:
            raise ValueError("points stay where they are; `spread: population` is for zones")
        return self

    @property
    def file_name(self) -> str:
        """Name of the file, or of all rasters, for faults and summaries."""
        paths = [raster.path for raster in self.rasters] if self.path is None else [self.path]
        return ", ".join(dict.fromkeys(path.name for path in paths))


class Population(_Model):
    """Where people live, to spread the vehicles of zones by."""

    path: Path
    """Points or polygons with a column `population`, or a GeoTIFF of people a cell."""
    band: Annotated[int, Field(ge=1)] = 1
    """The GeoTIFF's band, from 1."""
    datum: Datum = Datum.WGS84
    """Datum of the coordinates."""


class Water(_Model):
    """Where no demand and no generated site may stand."""

    path: Path
    """GeoJSON, GeoPackage or GeoParquet of polygons, or a .osm or .osm.pbf file with its water."""
    datum: Datum = Datum.WGS84
    """Datum of the coordinates."""


class StationFormat(StrEnum):
    """How stations come."""

    AUTO = "auto"
    TABLE = "table"
    OCPI = "ocpi"
    OPENCHARGEMAP = "openchargemap"
    OSM = "osm"
    AFDC = "afdc"
    TCEC102 = "tcec102"


class Stations(_Model):
    """The stations that stand today."""

    path: Path
    """A table (CSV, GeoJSON, GeoPackage, GeoParquet) or a feed; see docs/stations.md."""
    format: StationFormat = StationFormat.AUTO
    """Format of the file; `auto` goes by its name and by the fields that one format alone has."""
    datum: Datum = Datum.WGS84
    """Datum of the coordinates; Chinese exports are often GCJ-02, and T/CEC 102 always is."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Renames in a table: siting's column to the file's, such as `connectors: charge_count`."""
    defaults: dict[str, str | float] = Field(default_factory=dict)
    """Values where the file has none, such as `power_kw: 60`."""
    illustrative: bool = False
    """True for made stations; the map, the tables and the report then say so."""
    source: str | None = None
    """Where the stations come from, as shown on the map."""


class CandidateSource(StrEnum):
    """Where candidate sites come from."""

    FILE = "file"
    OSM = "osm"
    NETWORK = "network"
    ZONES = "zones"


class Candidates(_Model):
    """The candidate sites."""

    source: CandidateSource
    """`file`, `osm` (features of a .osm or .osm.pbf file), `network` (generated on roads near
    demand) or `zones` (the centres of the vehicle zones)."""
    path: Path | None = None
    """The file, for `file` and `osm`."""
    datum: Datum = Datum.WGS84
    """Datum of the file's coordinates."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Renames: siting's column name to the file's, such as `kind: type`."""
    kinds: list[str] = Field(default_factory=list)
    """Kinds to keep, such as `parking` or `fuel`; empty keeps all."""
    count: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """How many to generate (`network`), or to keep at most (other sources); near demand first."""
    min_spacing_m: NonNegative = 0.0
    """Candidates closer than this to one already taken are left out, and counted."""
    exclusions: Path | None = None
    """Polygons where no site may be, such as reserves; a .osm file stands for its water."""
    illustrative: bool = False
    """True for made candidates; generated ones are always shown as such."""


class RoadFormat(StrEnum):
    """How roads come."""

    AUTO = "auto"
    COMPACT = "compact"
    GRAPHML = "graphml"
    OSM = "osm"
    PBF = "pbf"
    GEOPARQUET = "geoparquet"
    PLACE = "place"


def _spell_out_hours(value: Any) -> Any:  # noqa: ANN401 - whatever the YAML holds
    """Return 24 factors for ranges of hours such as ``{7-9: 1.6}``; leave a list as it is."""
    if not isinstance(value, dict):
        return value
    factors: list[Any] = [1.0] * HOURS_OF_DAY
    told: set[int] = set()
    for text, factor in value.items():
        match = re.fullmatch(r"([0-9]{1,2})-([0-9]{1,2})", str(text))
        first, end = map(int, match.groups()) if match else (0, 0)
        if first == end or first >= HOURS_OF_DAY or end > HOURS_OF_DAY:
            raise ValueError(f"{text} is no range of hours; write 7-9 for 7:00 to 9:00")
        hours = {hour % HOURS_OF_DAY for hour in range(first, end + HOURS_OF_DAY * (end < first))}
        if hours & told:
            raise ValueError(f"{min(hours & told)}:00 lies in two ranges of hours")
        told |= hours
        for hour in hours:
            factors[hour] = factor
    return factors


CongestionFactor = Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)]
FactorsByHour = Annotated[
    tuple[CongestionFactor, ...],
    Field(min_length=HOURS_OF_DAY, max_length=HOURS_OF_DAY),
    BeforeValidator(
        _spell_out_hours,
        json_schema_input_type=list[CongestionFactor] | dict[str, CongestionFactor],
    ),
]


class Roads(_Model):
    """The road network."""

    path: Path | None = None
    """An OSMnx GraphML, a .osm or .osm.pbf file, GeoParquet, or siting's compact form."""
    place: str | None = None
    """An OSMnx place name instead of a file; needs the internet."""
    format: RoadFormat = RoadFormat.AUTO
    """Format of the file; `auto` goes by the file's name."""
    congestion_factor: CongestionFactor = 1.0
    """How many times longer a drive takes than at free flow, on every road and at every hour."""
    congestion: dict[str, FactorsByHour] = Field(default_factory=dict)
    """The same on top by class of road and hour, such as `primary: {7-9: 1.6, 17-19: 1.8}` or 24
    values from midnight on; `other` stands for the classes not named. `hour` chooses the hour."""
    source: str | None = None
    """Where the roads come from, as shown on the map."""

    @model_validator(mode="after")
    def _one_of_path_and_place(self) -> Self:
        if (self.path is None) == (self.place is None):
            raise ValueError("give either a path or a place, not both")
        return self


class Districts(_Model):
    """The districts by which service is reported."""

    path: Path
    """GeoJSON or GeoPackage of polygons with `district_id`, `name` and, if at hand, `name_zh`."""
    datum: Datum = Datum.WGS84
    """Datum of the coordinates."""


class Trips(_Model):
    """Trips between places, there and back, by brand."""

    path: Path
    """A table with `origin` and `destination` (ids of places) and `cars_<brand id>_per_day`."""
    places: Path
    """The places: points with `place_id`, `name` and, if at hand, `name_zh`."""
    datum: Datum = Datum.WGS84
    """Datum of the places' coordinates."""
    illustrative: bool = False
    """True for made figures; the map, the tables and the report then say so."""
    source: str | None = None
    """Where the trips come from, as shown on the map."""


class Inputs(_Model):
    """The files, relative to the study file."""

    roads: Roads
    """The road network."""
    vehicles: Vehicles
    """Vehicle density by brand."""
    stations: list[Stations] = Field(default_factory=list)
    """The stations that stand today; several files are read one after the other."""
    candidates: Candidates
    """The candidate sites."""
    districts: Districts | None = None
    """The districts by which service is reported."""
    population: Population | None = None
    """Where people live, for `spread: population`."""
    water: Water | None = None
    """Where no demand and no generated site may stand."""
    trips: Trips | None = None
    """Trips between places, planned together with the city's demand (`corridors`)."""

    @model_validator(mode="after")
    def _spread_has_its_layer(self) -> Self:
        if self.vehicles.spread is Spread.POPULATION and self.population is None:
            raise ValueError("`spread: population` needs a layer under inputs.population")
        return self


class Energy(_Model):
    """From vehicles to energy wanted from public charging."""

    km_per_day: Positive = 40.0
    """Distance that a car drives a day (km)."""
    kwh_per_km: Positive = 0.18
    """Energy that a car needs (kWh/km), charging losses included."""
    public_share: Share = 0.35
    """Share of the energy charged in public: 1 less the share charged at home and at work."""


class WorthShape(StrEnum):
    """How the worth of service falls with travel time."""

    PLAIN = "plain"
    LINEAR = "linear"
    STEPS = "steps"


class WorthStep(_Model):
    """One step of a stepped worth."""

    within_minutes: Positive
    """Upto this travel time (minutes) …"""
    worth: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    """… service is worth this much (0 to 1)."""


class Access(_Model):
    """How far drivers go to charge."""

    cutoff_minutes: Annotated[float, Field(gt=0, le=240, allow_inf_nan=False)] = 10.0
    """Longest drive that counts as service (minutes)."""
    direction: Direction = Direction.TO_SITE
    """Which drive counts: `to_site`, `back`, or `round_trip` (the mean of both)."""
    worth: WorthShape = WorthShape.PLAIN
    """`plain` (1 within the cutoff), `linear` (1 at the door, 0 at the cutoff), or `steps`."""
    steps: list[WorthStep] = Field(default_factory=list)
    """The steps, for `worth: steps`."""
    max_snap_m: Positive = 500.0
    """Points farther than this from every road count as unreachable."""

    @model_validator(mode="after")
    def _steps_fit_the_shape(self) -> Self:
        if (self.worth is WorthShape.STEPS) != bool(self.steps):
            raise ValueError("steps are given exactly when worth is `steps`")
        times = [step.within_minutes for step in self.steps]
        worths = [step.worth for step in self.steps]
        if times != sorted(set(times)) or worths != sorted(set(worths), reverse=True):
            raise ValueError("steps must rise in minutes and fall in worth")
        return self


class Service(_Model):
    """The service promise, and how busy the day's busiest hours are."""

    max_wait_minutes: NonNegative = 5.0
    """A driver waits no longer than this …"""
    wait_exceeded_share: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.05
    """… except this share of drivers (0 to 1)."""
    session_kwh: Positive = 30.0
    """Energy of one charging session (kWh)."""
    overhead_minutes: NonNegative = 3.0
    """Time a connector is taken without charging: parking, plugging, paying (minutes)."""
    peak_to_mean: Annotated[float, Field(ge=1, le=24, allow_inf_nan=False)] = 2.0
    """The busiest hour's arrivals over the mean hour's; effective hours a day are 24 over this."""


class Visits(_Model):
    """From vehicles to visits a year, for service centres."""

    visits_per_year: Positive = 2.0
    """How often a car comes to a service centre in a year."""
    hours_per_visit: Positive = 1.5
    """Time that a bay is taken by a visit (hours)."""
    opening_hours_per_day: Annotated[float, Field(gt=0, le=24, allow_inf_nan=False)] = 9.0
    """Hours that a centre is open on a day that it is open."""
    opening_days_per_year: Annotated[int, Field(ge=1, le=366)] = 300
    """Days that a centre is open in a year."""


class Tier(_Model):
    """A package that a site can be built with: chargers, or bays."""

    id: Id
    """Short id."""
    name: Text
    """Name as shown."""
    connectors: Annotated[
        int, Field(ge=1, le=1000, validation_alias=AliasChoices("connectors", "bays"))
    ]
    """Number of connectors or, as `bays`, of a service centre's bays."""
    power_kw: Positive | None = None
    """Power of one connector (kW); every tier of a charging station has it, no bay does."""
    cost_cny: NonNegative
    """Cost of the package without the site's own cost (CNY)."""


class Requirements(_Model):
    """What the plan must respect."""

    budget_cny: NonNegative
    """Most that all opened sites may cost together (CNY)."""
    required: list[str] = Field(default_factory=list)
    """Sites that must be opened."""
    forbidden: list[str] = Field(default_factory=list)
    """Sites that must not be opened."""
    min_sites: Annotated[int, Field(ge=0)] = 0
    """Least number of opened sites."""
    max_sites: Annotated[int, Field(ge=0)] | None = None
    """Greatest number of opened sites."""
    min_spacing_m: NonNegative = 0.0
    """Least distance between two opened sites, straight (m)."""
    grid_group_limit_kw: dict[str, NonNegative] = Field(default_factory=dict)
    """Most power of all sites of a substation group together (kW), by the group's name."""
    district_min_sites: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """Least number of opened sites in a district, by the district's id."""
    district_max_sites: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """Greatest number of opened sites in a district, by the district's id."""

    @model_validator(mode="after")
    def _least_is_not_above_most(self) -> Self:
        if self.max_sites is not None and self.min_sites > self.max_sites:
            raise ValueError("min_sites is more than max_sites")
        least, most = self.district_min_sites, self.district_max_sites
        wrong = sorted(name for name in least.keys() & most.keys() if least[name] > most[name])
        if wrong:
            raise ValueError(f"district_min_sites is more than district_max_sites: {wrong}")
        return self


class Phase(_Model):
    """One of several periods in which the network grows; what is built stays."""

    id: Id
    """Short id, such as the period's last year."""
    name: Text
    """Name as shown."""
    years: Positive = 1.0
    """How long the period lasts (years); its service counts by that."""
    budget_share: Share
    """Part of the budget that comes in this period; what is not spent is kept."""
    demand_share: NonNegative = 1.0
    """What is wanted in this period, as a share of what the vehicles table says …"""
    demand_share_by_brand: dict[str, NonNegative] = Field(default_factory=dict)
    """… and where a brand grows otherwise; in the last period all shares are 1."""


class Corridors(_Model):
    """How trips between places are driven, and what they are worth."""

    start: Share = 0.9
    """Charge of the battery when a car sets out from home (0 to 1)."""
    charge_to: Share = 0.8
    """Charge to which a car charges on the way at most (0 to 1)."""
    reserve: Share = 0.1
    """Charge below which it never falls (0 to 1)."""
    arrival: Share = 0.2
    """Least charge at the destination and back home; a charger there helps (0 to 1)."""
    trip_worth_kwh: Positive = 40.0
    """What one car that can make its trip there and back is worth, in kWh served in a city."""

    @model_validator(mode="after")
    def _levels_are_in_order(self) -> Self:
        if not self.reserve < min(self.start, self.charge_to):
            raise ValueError("the reserve must be less than start and charge_to")
        if self.arrival > self.charge_to:
            raise ValueError("arrival is more than charge_to: no charger could help")
        return self


class Scenario(_Model):
    """One future that may come: the study's own figures, times these."""

    id: Id
    """Short id."""
    name: Text
    """Name as shown."""
    weight: Positive = 1.0
    """How likely it is, beside the weights of the others."""
    demand: Positive = 1.0
    """What every brand's drivers want …"""
    demand_by_brand: dict[str, NonNegative] = Field(default_factory=dict)
    """… and, on top of it, each brand's."""
    budget: Positive = 1.0
    """The money."""
    cost: Positive = 1.0
    """What every site costs."""
    cutoff: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    """The longest drive; at most 1: set `access` to the longest that you believe in."""
    competition: NonNegative = 1.0
    """What stations of no brand of the alliance can serve its drivers."""


class Robust(_Model):
    """How to plan for `scenarios`."""

    rule: RobustRule = RobustRule.EXPECTED
    """By which rule the plan is chosen; the plans by the other rules are shown beside it."""
    own_weight: Positive = 1.0
    """The weight of the study's own figures, which are a future like the others."""
    draws: Annotated[int, Field(ge=1, le=10_000)] = 50
    """How many futures are drawn anew to check the plan on."""


class Objective(StrEnum):
    """What the plan makes as large as can be."""

    TOTAL = "total"
    """The worth of all service together."""
    MAX_MIN = "max_min"
    """The share of its demand that the worst served brand gets; then the total."""
    LEXICOGRAPHIC = "lexicographic"
    """The worst served brand's share, then the second worst's, and so on; then the total."""


class AllianceGame(StrEnum):
    """What a coalition of brands is asked for when the joint investment is split."""

    BUDGET = "budget"
    """The most that it can gain with its members' budgets."""
    TARGET = "target"
    """The least cost of the service that the joint plan gives its members."""


class SplitRule(StrEnum):
    """By which rule the joint investment is split."""

    SHAPLEY = "shapley"
    """By what each brand adds, averaged over all orders of joining."""
    NUCLEOLUS = "nucleolus"
    """So that the strongest objection of any coalition is as small as can be."""
    BY_VEHICLES = "by_vehicles"
    """The bill in proportion to vehicles."""
    BY_ENERGY = "by_energy"
    """The bill in proportion to the energy that each brand's drivers charge at the new sites."""
    BY_ALONE = "by_alone"
    """Each brand gains (or saves) the same percentage on what it has alone."""
    EQUAL = "equal"
    """The bill in equal parts."""


class Alliance(_Model):
    """How the joint investment is split; for `siting alliance`."""

    game: AllianceGame = AllianceGame.BUDGET
    """`budget` compares what coalitions gain with their money, `target` what they must spend."""
    rule: SplitRule = SplitRule.NUCLEOLUS
    """The rule by which the ledger is written; all rules are shown beside it."""
    worth_cny_per_kwh: Annotated[
        NonNegative,
        Field(validation_alias=AliasChoices("worth_cny_per_kwh", "worth_cny_per_visit")),
    ] = 0.8
    """Worth of a kWh served to the brand whose driver gets it (CNY/kWh), for `game: budget`; or,
    as `worth_cny_per_visit`, of a visit to a service centre."""
    years: Annotated[int, Field(ge=1, le=60)] = 10
    """Years of service that are set against the cost of the sites."""
    discount_rate: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.06
    """What a year's service is worth less than one a year earlier (0.06 is 6 %)."""


class Solve(_Model):
    """How hard to look for the best plan."""

    gap: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.005
    """Stop when the plan is proven within this share of the best possible (0.005 is 0.5 %)."""
    time_limit_s: Positive = 120.0
    """Stop after this long, and report what was proven by then (s)."""
    engine: Engine = Engine.AUTO
    """Engine; `auto` lets the instance choose, and the result names it."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of everything random; the same seed gives the same plan."""


class TileProvider(StrEnum):
    """A provider of street pictures that siting knows by name."""

    GAODE = "gaode"


@dataclass(frozen=True, kw_only=True)
class TileSource:
    """Where street pictures come from, and how they lie."""

    url: str
    attribution: str
    datum: Datum
    max_zoom: int


TILE_PROVIDERS = MappingProxyType(
    {
        TileProvider.GAODE: TileSource(
            url="https://webrd01.is.autonavi.com/appmaptile"
            "?lang=zh_cn&size=1&scale=1&style=8&x={x}&y={y}&z={z}",
            attribution="© 高德地图 Gaode",
            datum=Datum.GCJ02,
            max_zoom=18,
        )
    }
)


class MapTiles(_Model):
    """Street pictures that the map may fetch when it is opened with the internet at hand."""

    provider: TileProvider | None = None
    """A provider that siting knows, instead of an address: `gaode` (GCJ-02)."""
    url: Annotated[str, Field(pattern=TILE_URL_PATTERN, max_length=500)] | None = None
    """Address of a tile, https, with {x}, {y} and {z}; no other host is ever asked."""
    attribution: Annotated[str, Field(min_length=1)] | None = None
    """Whose tiles they are, as shown on the map; goes with `url`."""
    datum: Literal[Datum.WGS84, Datum.GCJ02] | None = None
    """Datum of the tiles, `wgs84` if not set; for `gcj02` all that is drawn is shifted to match."""
    max_zoom: Annotated[int, Field(ge=1, le=22)] | None = None
    """Largest zoom that the tiles exist for, 18 if not set."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.provider is None) == (self.url is None):
            raise ValueError("name a provider or give a url, one of both")
        if self.provider is not None and {self.attribution, self.datum, self.max_zoom} != {None}:
            raise ValueError("a provider brings its attribution, datum and max_zoom along")
        if self.url is not None:
            missing = [part for part in ("{x}", "{y}", "{z}") if part not in self.url]
            if missing:
                raise ValueError(f"the address lacks {', '.join(missing)}")
            if self.attribution is None:
                raise ValueError("say whose tiles they are, as attribution")
        return self

    @property
    def source(self) -> TileSource:
        """Where the pictures come from, whichever way the study says it."""
        if self.provider is not None:
            return TILE_PROVIDERS[self.provider]
        return TileSource(
            url=self.url or "",
            attribution=self.attribution or "",
            datum=self.datum or Datum.WGS84,
            max_zoom=self.max_zoom or MAX_TILE_ZOOM,
        )


class Map(_Model):
    """How the map is drawn; without tiles it never asks the network for anything."""

    tiles: MapTiles | None = None
    """Street pictures beneath the map's own roads; the map works without them."""


class Study(_Model):
    """A whole study: what is asked, of which inputs, under which assumptions."""

    schema_version: Literal[1] = 1
    """Version of this file's form."""
    name: Id
    """Short name, used for files."""
    title: Text
    """Title as shown."""
    facility: Facility = Facility.CHARGING_STATION
    """What is sited. For a `service_centre` the demand is visits a year (`visits`), the tiers have
    `bays`, and the promise under `service` is the wait for a bay, in minutes of opening hours."""
    data_date: str | None = None
    """Date of the data, as shown."""
    illustrative_note: Text | None = None
    """What in this study is made up, in plain words; shown wherever results are."""
    brands: Annotated[list[Brand], Field(min_length=1, max_length=12)]
    """The alliance's brands."""
    inputs: Inputs
    """The files."""
    energy: Energy = Energy()
    """From vehicles to energy."""
    visits: Visits = Visits()
    """From vehicles to visits, for service centres."""
    access: Access = Access()
    """How far drivers go."""
    service: Service = Service()
    """The service promise."""
    hour: Annotated[int, Field(ge=0, lt=HOURS_OF_DAY)] | None = None
    """Hour of the day planned for (0 to 23), for `inputs.roads.congestion`; the slowest if not set.
    Changing this one number compares the hours."""
    accounts: Accounts = Accounts.UNIFIED
    """Whether accounts are unified in the plan."""
    tiers: Annotated[list[Tier], Field(min_length=1, max_length=12)]
    """The charger packages."""
    site_cost_cny: NonNegative = 0.0
    """Cost of opening a site whatever its tier: grid works, land preparation (CNY)."""
    rent_years: NonNegative = 1.0
    """Years of a candidate's `rent_cny_per_year` that belong to the cost of opening it."""
    requirements: Requirements
    """What the plan must respect."""
    objective: Objective = Objective.TOTAL
    """Whose service counts: all together, or the worst served brand first."""
    phases: list[Phase] = Field(default_factory=list)
    """Periods, the first first, in which the money comes and the demand grows: the plan then says
    when each site opens. Vehicles and requirements are those of the last period."""
    corridors: Corridors = Corridors()
    """How trips between places are driven, where `inputs.trips` gives some."""
    scenarios: list[Scenario] = Field(default_factory=list)
    """Futures of which it is not known which will come; for `siting robust`."""
    robust: Robust = Robust()
    """How to plan for `scenarios`; for `siting robust`."""
    alliance: Alliance = Alliance()
    """How the joint investment is split."""
    solve: Solve = Solve()
    """How hard to look."""
    map: Map = Map()
    """How the map is drawn."""

    def _repr_html_(self) -> str:
        """Return what is asked, of which brands and with which tiers, for a notebook."""
        import pandas as pd  # noqa: PLC0415 - reading a study needs no tables

        service = self.service
        in_time = 1 - service.wait_exceeded_share
        lines = [
            f"{self.name}: {self.title.en}",
            f"budget {total_budget_cny(self):,.0f} CNY",
            f"drives up to {self.access.cutoff_minutes:g} minutes",
            f"{in_time:.0%} wait at most {service.max_wait_minutes:g} minutes",
        ]
        if self.illustrative_note is not None:
            lines.append(self.illustrative_note.en)
        shown = ["id", "name", "usable_power_kw", "floor", "budget_cny"]
        brands = pd.DataFrame([brand.model_dump(include=set(shown)) for brand in self.brands])
        tiers = [{**tier.model_dump(), "name": tier.name.en} for tier in self.tiers]
        return show_tables({"Brands": brands[shown], "Tiers": pd.DataFrame(tiers)}, lines=lines)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        for what, ids in (
            ("brands", [brand.id for brand in self.brands]),
            ("tiers", [tier.id for tier in self.tiers]),
        ):
            twice = sorted({x for x in ids if ids.count(x) > 1})
            if twice:
                raise ValueError(f"{what} have the same id twice: {', '.join(twice)}")
        if self.hour is not None and not self.inputs.roads.congestion:
            raise ValueError("hour changes nothing without inputs.roads.congestion")
        centres = self.facility is Facility.SERVICE_CENTRE
        wrong = [tier.id for tier in self.tiers if (tier.power_kw is None) != centres]
        if wrong:
            what = "bays and no power_kw" if centres else "connectors and power_kw"
            raise ValueError(f"tiers of a {self.facility} have {what}: {', '.join(wrong)}")
        if self.phases:
            _check_phases(self)
        if self.scenarios:
            _check_scenarios(self)
        if self.inputs.trips is not None:
            _check_trips(self)
        both = sorted(set(self.requirements.required) & set(self.requirements.forbidden))
        if both:
            raise ValueError(f"sites both required and forbidden: {', '.join(both)}")
        return self


def _check_phases(study: Study) -> None:
    """Raise if periods do not lead to the study's own figures, or the study cannot have any."""
    phases, brands = study.phases, {brand.id for brand in study.brands}
    ids = [phase.id for phase in phases]
    if len(set(ids)) < len(ids):
        raise ValueError("two phases have the same id")
    if study.objective is not Objective.TOTAL:
        raise ValueError("phases go with the objective `total` alone")
    if study.inputs.trips is not None:
        raise ValueError("phases and inputs.trips are not planned together so far")
    unknown = sorted({name for phase in phases for name in phase.demand_share_by_brand} - brands)
    if unknown:
        raise ValueError(f"phases name brands that the study has not: {', '.join(unknown)}")
    total = math.fsum(phase.budget_share for phase in phases)
    if abs(total - 1.0) > SAME_SHARE:
        raise ValueError(f"the phases' budget_share add up to {total:g}, not to 1")
    last = phases[-1]
    if {last.demand_share, *last.demand_share_by_brand.values()} != {1.0}:
        raise ValueError("the vehicles are those of the last phase: its demand_share is 1")


def _check_trips(study: Study) -> None:
    """Raise if the study lacks what trips need, or asks for what does not go with them."""
    lacking = [brand.id for brand in study.brands if brand.range_km is None]
    if lacking:
        raise ValueError(f"trips need a range_km of every brand: {', '.join(lacking)}")
    if study.facility is Facility.SERVICE_CENTRE or study.objective is not Objective.TOTAL:
        raise ValueError("trips go with charging stations and the objective `total` alone")


def _check_scenarios(study: Study) -> None:
    """Raise if scenarios are named twice, name what is not there, or do not go with the rest."""
    ids, brands = [scenario.id for scenario in study.scenarios], {b.id for b in study.brands}
    if len(set(ids)) < len(ids):
        raise ValueError("two scenarios have the same id")
    unknown = sorted({name for s in study.scenarios for name in s.demand_by_brand} - brands)
    if unknown:
        raise ValueError(f"scenarios name brands that the study has not: {', '.join(unknown)}")
    if study.objective is not Objective.TOTAL or study.phases or study.inputs.trips is not None:
        raise ValueError("scenarios go with the objective `total`, without phases or inputs.trips")


class StationFeeds(_Model):
    """A list of station feeds, for `siting stations merge`."""

    stations: Annotated[list[Stations], Field(min_length=1)]
    """The feeds, the most trusted first."""


def study_schema() -> dict[str, Any]:
    """Return the study's JSON Schema, for editors and for documentation."""
    return Study.model_json_schema()


def read_study(path: Path, *, changes: Mapping[str, str] = MappingProxyType({})) -> Study:
    """Read a study file and resolve its paths against the file's folder.

    Parameters
    ----------
    path
        A YAML 1.2 file.
    changes
        Values that replace the file's, by key: ``requirements.budget_cny``, or with an id or an
        index in a list, ``brands.aito.floor`` or ``inputs.stations.0.path``. A value that starts
        with a bracket is read as JSON.

    Returns
    -------
    Study
        Frozen; with absolute input paths.

    Raises
    ------
    StudyError
        With every fault of the file, each with its line and key.
    """
    text = _read_text(path)
    return parse_study(text, file=path.name, folder=path.resolve().parent, changes=changes)


def read_station_feeds(path: Path) -> list[Stations]:
    """Read a list of station feeds, each described as under `inputs.stations` of a study.

    Parameters
    ----------
    path
        A YAML file with one key, `stations`.

    Raises
    ------
    StudyError
        With every fault of the file.
    """
    text = _read_text(path)
    raw = _load_yaml(text, file=path.name)
    feeds = _validate(StationFeeds, raw, file=path.name)
    return list(_with_absolute_paths(feeds, path.resolve().parent).stations)


def parse_study(
    text: str,
    *,
    file: str = "study",
    folder: Path,
    changes: Mapping[str, str] = MappingProxyType({}),
) -> Study:
    """Parse a study's YAML text; ``folder`` is what its relative paths start from.

    ``changes`` are as in `read_study`.

    Raises
    ------
    StudyError
        With every fault of the text, each with its line and key.
    """
    raw = _load_yaml(text, file=file)
    faults = [fault for key, value in changes.items() if (fault := _change(raw, key, value, file))]
    if faults:
        raise StudyError(faults)
    study = _validate(Study, raw, file=file)
    return study.model_copy(update={"inputs": _with_absolute_paths(study.inputs, folder)})


def _change(raw: Any, key: str, value: str, file: str) -> Fault | None:  # noqa: ANN401 - YAML nodes
    """Set the value at a key of the raw study; return a fault if there is no such place."""

    def fault(what: str, remedy: str) -> Fault:
        return Fault(file=file, column=key, value=value[:80], what=what, remedy=remedy)

    try:
        new = json.loads(value) if value.startswith(("[", "{")) else value
    except json.JSONDecodeError:
        return fault("is not valid JSON", "write a list as [1, 2] and texts in double quotes")
    *parents, last = key.split(".")
    node = raw
    for part in parents:
        if isinstance(node, dict) and part not in node:
            node[part] = {}
        node = _child(node, part)
    index = _index(node, last) if isinstance(node, list) else None
    if index is not None:
        node[index] = new
    elif isinstance(node, dict):
        node[last] = new
    else:
        return fault(
            "the study has no such key",
            "`siting schema` lists all keys; name a list's "
            "element by its id or by its index from 0",
        )
    return None


def _child(node: Any, part: str) -> Any:  # noqa: ANN401 - YAML nodes
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list):
        index = _index(node, part)
        return None if index is None else node[index]
    return None


def _index(node: list[Any], part: str) -> int | None:
    """Return where a list's element stands, by its id or by its index."""
    ids = [str(item.get("id")) if isinstance(item, dict) else None for item in node]
    if part in ids:
        return ids.index(part)
    return int(part) if part.isdecimal() and int(part) < len(node) else None


def _read_text(path: Path) -> str:
    name = path.name
    try:
        size = path.stat().st_size
        if size > MAX_STUDY_BYTES:
            raise StudyError(
                [
                    Fault(
                        file=name, what=f"the study has {size:,} bytes", remedy="keep it under 1 MB"
                    )
                ]
            )
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise StudyError(
            [Fault(file=name, what=f"cannot be read: {reason}", remedy="give a readable YAML file")]
        ) from None


def _validate(model: type[M], raw: Any, *, file: str) -> M:  # noqa: ANN401 - YAML nodes
    """Return the model that the YAML describes, or raise every fault with its line and key."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise StudyError(
            [
                Fault(
                    file=file,
                    row=_line_of(raw, item["loc"]),
                    column=_key_path(item["loc"]),
                    value=_short(item["input"]) if item["type"] != "missing" else None,
                    what=_in_plain_words(item["type"], item["msg"]),
                    remedy=_remedy(item["type"]),
                )
                for item in error.errors(include_url=False)
            ]
        ) from None


def _load_yaml(text: str, *, file: str) -> Any:  # noqa: ANN401 - whatever the YAML holds
    # Round-trip mode keeps line numbers. Tags and aliases are refused outright: a handful of
    # aliases can unfold into gigabytes. So is deep nesting, which takes hours to parse.
    yaml = YAML(typ="rt", pure=True)
    yaml.allow_duplicate_keys = False
    depth = 0
    try:
        for event in yaml.parse(text):
            kind = type(event).__name__
            depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
            for name, found in (
                ("aliases", kind == "AliasEvent"),
                ("tags", getattr(event, "tag", None)),
                (f"lists in lists, {MAX_DEPTH} deep,", depth > MAX_DEPTH),
                ("escapes of no character", _NO_CHARACTER.search(getattr(event, "value", ""))),
            ):
                if found:
                    line, what = event.start_mark.line + 1, f"YAML {name} are refused"
                    fault = Fault(file=file, row=line, what=what, remedy="write it out")
                    raise StudyError([fault])
        raw = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise StudyError(
            [
                Fault(
                    file=file,
                    row=None if mark is None else mark.line + 1,
                    what=f"is not valid YAML: {(error.problem or 'syntax error').strip()}",
                    remedy="correct the line (indent with spaces, give each key once)",
                )
            ]
        ) from None
    except (YAMLError, ValueError, RecursionError) as error:
        what = f"is not valid YAML: {str(error).splitlines()[0] if str(error) else 'syntax error'}"
        raise StudyError([Fault(file=file, what=what, remedy="correct the file")]) from None
    if not isinstance(raw, dict):
        raise StudyError(
            [Fault(file=file, what="holds no mapping of keys", remedy="start from `siting schema`")]
        )
    return raw


def _line_of(raw: Any, location: Sequence[int | str]) -> int | None:  # noqa: ANN401 - YAML nodes
    """Return the line (from 1) of the deepest key of the location that the file holds."""
    line: int | None = None
    node = raw
    for key in location:
        if not isinstance(node, CommentedBase):
            break
        try:
            line = node.lc.data[key][0] + 1
            node = node[key]  # type: ignore[index]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line


def _key_path(location: Sequence[int | str]) -> str:
    parts = [f"[{key}]" if isinstance(key, int) else f".{key}" for key in location]
    return "".join(parts).lstrip(".") or "study"


def _short(value: object) -> str | None:
    text = str(value)
    return None if isinstance(value, dict | list) else text[:80]


def _in_plain_words(kind: str, message: str) -> str:
    known = {
        "extra_forbidden": "unknown key",
        "missing": "this key is missing",
    }
    return known.get(kind, message.removeprefix("Value error, "))


def _remedy(kind: str) -> str:
    known = {
        "extra_forbidden": "remove it or correct its spelling; `siting schema` lists all keys",
        "missing": "add it; `siting schema` explains it",
        "finite_number": "give a finite number",
    }
    return known.get(kind, "correct the value")


def _with_absolute_paths(part: M, folder: Path) -> M:
    changes: dict[str, Any] = {}
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, Path):
            changes[name] = folder / value
        elif isinstance(value, _Model):
            changes[name] = _with_absolute_paths(value, folder)
        elif isinstance(value, list) and value and isinstance(value[0], _Model):
            changes[name] = [_with_absolute_paths(item, folder) for item in value]
    return part.model_copy(update=changes)


def energy_by_brand(study: Study) -> dict[str, Energy]:
    """Return each brand's energy figures: its own, and the study's where it has none.

    For service centres a vehicle wants its visits a year instead.
    """
    if study.facility is Facility.SERVICE_CENTRE:
        visits = Energy(km_per_day=study.visits.visits_per_year, kwh_per_km=1.0, public_share=1.0)
        return {brand.id: visits for brand in study.brands}
    return {
        brand.id: study.energy.model_copy(
            update={
                name: own
                for name in Energy.model_fields
                if (own := getattr(brand, name)) is not None
            }
        )
        for brand in study.brands
    }


def total_budget_cny(study: Study) -> float:
    """Return the joint budget: what is asked, at most what the brands bring together."""
    brought = [brand.budget_cny for brand in study.brands]
    if any(budget is None for budget in brought):
        return study.requirements.budget_cny
    return min(study.requirements.budget_cny, math.fsum(b for b in brought if b is not None))
