"""What can be set. The environment names are PATCHBAY_SIMULATOR__SEED, PATCHBAY_SIMULATOR__VMS and so on."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class TlsSettings(BaseModel):
    """The certificate to serve HTTPS with. Both are PEM files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: Path
    key: Path


class SimulatorSettings(BaseModel):
    """One simulated vCenter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field("vcenter", description="A name for logs.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8989, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    seed: int = Field(1, ge=0, description="Decides the whole inventory.")
    vms: int = Field(200, ge=0, le=200_000)
    hosts: int | None = Field(None, ge=1, description="One for 25 VMs when not given.")
    port_groups: int | None = Field(None, ge=4)
    datacenters: int | None = Field(None, ge=1)
    user: str = "administrator@vsphere.local"
    password: SecretStr = SecretStr("vmware")
    tls: TlsSettings | None = None
    self_signed: bool = Field(
        False, description="Serve HTTPS with a certificate made at start; needs the cryptography package."
    )
    churn: dict[str, float] = Field(
        default_factory=dict, description="Random changes per second by kind, such as address=5."
    )
    churn_seed: int = 1
    script: Path | None = Field(None, description="A YAML or JSON file of operations to perform in time.")
    boot_seconds: float = Field(1.0, ge=0, description="From power-on until Tools report.")
    task_seconds: float = Field(0.0, ge=0, description="How long each task runs.")
    page_limit: int = Field(500, ge=1, description="Most objects in one page of updates.")
    idle_seconds: float = Field(1800, gt=0, description="A session that is silent for longer ends.")
    log_limit: int = Field(300_000, ge=1, description="Changes kept; older collector versions are invalid.")

    @model_validator(mode="after")
    def _one_certificate(self) -> SimulatorSettings:
        if self.tls is not None and self.self_signed:
            raise ValueError("give either tls (certificate and key) or self_signed, not both")
        return self
