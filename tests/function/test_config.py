"""What an environment reads at its start, and that a secret is never shown."""

import json
from collections.abc import Iterator
from urllib.parse import quote_plus

import boto3
import pytest
from moto import mock_aws
from sqlalchemy import URL

from poolbench.function.config import Address, BadConfiguration, Config, Secret, address_of

SECRET = {"username": "u", "password": "canary", "dbname": "d"}


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("POOLBENCH_SECRET", raising=False)
    with mock_aws():
        yield


def test_the_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOLBENCH_SECRET", json.dumps(SECRET | {"engine": "mysql", "port": 3306}))
    assert Secret.load() == Secret("u", "canary", "d")


@pytest.mark.usefixtures("manager")
def test_or_from_secrets_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    made = boto3.client("secretsmanager").create_secret(Name="db", SecretString=json.dumps(SECRET))
    monkeypatch.setenv("POOLBENCH_SECRET_ARN", made["ARN"])
    assert Secret.load() == Secret("u", "canary", "d")


@pytest.mark.parametrize("text", ["canary", '{"password": "canary"}', '["canary"]'])
def test_a_bad_secret_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("POOLBENCH_SECRET", text)
    with pytest.raises(BadConfiguration) as refused:
        Secret.load()
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_no_secret_at_all_names_both_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POOLBENCH_SECRET", raising=False)
    monkeypatch.delenv("POOLBENCH_SECRET_ARN", raising=False)
    with pytest.raises(BadConfiguration, match="set POOLBENCH_SECRET or POOLBENCH_SECRET_ARN"):
        Secret.load()


def test_nothing_prints_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOLBENCH_SECRET", json.dumps(SECRET))
    config = Config.load()
    shown = repr(config) + repr(config.url(Address("host", 3306))) + str(config.url(Address("host", 3306)))
    assert "canary" not in shown
    assert config.url(Address("host", 3306)).password == "canary"


@pytest.mark.parametrize("value", ["", "host", "host:", ":3306", "host:port"])
def test_a_bad_address_names_its_variable(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("POOLBENCH_PROXY_ENDPOINT", value)
    with pytest.raises(BadConfiguration, match=f"POOLBENCH_PROXY_ENDPOINT is '{value}', not host:port"):
        address_of("proxy")


def test_each_environment_has_an_id_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOLBENCH_SECRET", json.dumps(SECRET))
    assert Config.load().environment != Config.load().environment


@pytest.mark.parametrize("password", ["plain", "p w+d", "50%", "at@slash/colon:", "ключ"])
def test_a_password_is_masked_as_it_is_and_as_urls_have_it(password: str) -> None:
    secret = Secret("u", password, "d")
    url = URL.create("mysql+pymysql", "u", password, "h", 1, "d")
    assert secret.masked(f"no {password} here") == "no *** here"
    assert secret.masked(url.render_as_string(hide_password=False)) == str(url)
    assert secret.masked(f"?password={quote_plus(password)}") == "?password=***"


def test_without_a_password_nothing_is_masked() -> None:
    assert Secret("u", "", "d").masked("as it was") == "as it was"
