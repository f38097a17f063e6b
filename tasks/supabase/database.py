"""How a service's database on Supabase is: evidence for the people who decide."""

from __future__ import annotations

from typing_extensions import override

from allclear.domain.action import Finding, Verdict
from allclear.domain.errors import AllclearError, VendorError
from allclear.domain.probe import Probe
from allclear.vendors.supabase_management import Migration, SupabaseManagement
from tasks.permissions import DATABASE_READ
from tasks.service_params import ServiceParams
from tasks.supabase.handles import SupabaseProjectHandle, database_of
from tasks.supabase.preflight import SupabaseManagementPreflight
from tasks.supabase.state import read_database, second


class Database(Probe[ServiceParams]):
    """Reports whether the database is healthy, which migrations ran last, and how far back it can be restored."""

    name = "supabase.database"
    title = "The database: its health, its last migrations, how far back it can go"
    permissions = (DATABASE_READ,)
    params = ServiceParams
    needs = (SupabaseManagement,)
    preflights = (SupabaseManagementPreflight,)
    handles = (SupabaseProjectHandle,)

    @override
    async def check(self, params: ServiceParams) -> Finding:
        try:
            ref = database_of(self.context, params.service).ref
            supabase = self.context.client(SupabaseManagement)
            state = await read_database(supabase, ref)
        except AllclearError as error:
            return Finding(verdict=Verdict.INCONCLUSIVE, sentence=error.message)
        try:
            migrations = await supabase.migrations(ref)
        except VendorError:
            migrations = list[Migration]()
        back = (
            f"It can be restored to a time from {second(state.earliest)} to {second(state.latest)}."
            if state.enabled and state.earliest and state.latest
            else "It cannot be restored to a point in time: that is off."
        )
        last = f" The last migration is {migrations[0].version} {migrations[0].name}.".rstrip() if migrations else ""
        facts = state.model_dump(mode="json", include={"project", "status", "unhealthy", "earliest", "latest"})
        facts["migrations"] = [one.model_dump(mode="json") for one in migrations]
        health = f"{ref} is not healthy: {state.trouble}." if state.trouble else f"{ref} is healthy."
        verdict = Verdict.FAILURE if state.trouble else Verdict.SUCCESS
        return Finding(verdict=verdict, sentence=f"{health}{last} {back}", facts=facts)
