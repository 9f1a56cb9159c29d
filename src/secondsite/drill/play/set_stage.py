"""A stage for one run: its clients, the doors of the lab, and the seed that decides what is left to chance."""

from __future__ import annotations

import random

from secondsite.drill.evidence.folder import EvidenceWriter
from secondsite.drill.load.client_config import ClientConfig
from secondsite.drill.play.clients import LoadClients, share_out
from secondsite.drill.play.lab_world import LabManualSteps, LabSecrets, LabServices, LabSites, api_service, lab_path
from secondsite.drill.play.load_streams import clients_of, load_streams, load_target, nats_target
from secondsite.drill.play.setup import Setup
from secondsite.drill.play.stage import PROCESSES, ReportProgress, Stage
from secondsite.lab.world import Lab
from secondsite.model.procedure import Procedure


def set_the_stage(
    setup: Setup,
    lab: Lab,
    writer: EvidenceWriter,
    procedure: Procedure,
    report: ReportProgress,
    *,
    ignoring_ttl: float = 0.0,
) -> Stage:
    streams = load_streams(setup)
    config = ClientConfig(
        run=f"d{setup.seed}r{writer.manifest.run}",
        client=0,
        folder=str(writer.ledgers),
        streams=streams,
        target=load_target(setup, lab, ignoring_ttl),
        rate_per_s=setup.rate_per_s,
        payload_bytes=256,
        seed=setup.seed,
    )
    shares = clients_of(config, nats_target(setup, lab))
    clients = tuple(one for share in shares for one in share_out(share, PROCESSES))
    path = lab_path(lab, streams[0].of_key("probe"))
    return Stage(
        setup,
        lab,
        writer,
        procedure,
        report,
        LoadClients(lab.supervisor, clients),
        path,
        LabSecrets(setup.deployment, lab.regions),
        LabServices(lab, api_service(setup.deployment)),
        random.Random(f"{setup.seed}/{writer.manifest.run}/{writer.manifest.drill}"),
        LabManualSteps(lab),
        LabSites(lab),
    )
