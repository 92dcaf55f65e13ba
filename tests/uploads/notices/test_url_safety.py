"""URLs that people enter, and which of them are accepted."""

from ipaddress import ip_network

import pytest

from uploads.notices.url_safety import InvalidURL, check_url, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1",
        "240.0.0.1", "255.255.255.255", "168.63.129.16",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
        "2001:db8::1", "2001::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1",
        "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b:1::1",
    ],
)  # fmt: skip
def test_special_address_is_not_public(address: str) -> None:
    assert not is_public(address)
    url = f"http://[{address}]/" if ":" in address else f"http://{address}/"
    with pytest.raises(InvalidURL):
        check_url(url, private_allowed=False)


# IANA's special-purpose addresses, without those that are globally reachable.
SPECIAL = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
    "::/128", "::1/128", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48",
    "100::/64",
    "2001::/32", "2001:2::/48", "2001:10::/28", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16",
    "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
]  # fmt: skip


@pytest.mark.parametrize("network", SPECIAL)
def test_first_and_last_address_of_special_networks_are_not_public(network: str) -> None:
    ends = ip_network(network)
    assert not is_public(str(ends[0]))
    assert not is_public(str(ends[-1]))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::1"])
def test_ordinary_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "https://example.com:8443/hook?key=1", "HTTPS://example.com/",
        "http://8.8.8.8/",
        "https://[2606:4700::1111]/", "https://xn--bcher-kva.example/",
    ],
)  # fmt: skip
def test_valid_url_is_accepted(url: str) -> None:
    check_url(url, private_allowed=False)


@pytest.mark.parametrize(
    "url",
    [
        "", "example.com", "ftp://example.com/", "file:///etc/passwd", "http://", "http:///path",
        "https://:443/",
        "http://user@example.com/", "http://user:password@example.com/", "http://example.com:0/",
        "http://example.com:99999/", "http://example.com:port/", "http://exa mple.com/",
        "http://example.com/\n",
        "http://example.com/\r\nHost: other", "http://bücher.example/", "http://127。0。0。1/",
        "http://①②⑦.0.0.1/",
        "http://example.com\\@127.0.0.1/", "http://example.com@127.0.0.1/",
        "http://example.com:80@127.0.0.1/", "http://[::1/", "javascript:alert(1)",
        "http://example.com/" + "x" * 2000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("private_allowed", [False, True])
def test_invalid_url_is_refused(url: str, private_allowed: bool) -> None:
    with pytest.raises(InvalidURL, match="Enter a URL such as"):
        check_url(url, private_allowed=private_allowed)


@pytest.mark.parametrize(
    "url", ["http://localhost/", "http://localhost.:80/", "http://a.localhost/", "http://127.0.0.1/"]
)
def test_private_url_is_accepted_only_if_allowed(url: str) -> None:
    check_url(url, private_allowed=True)
    with pytest.raises(InvalidURL, match="not on the public internet"):
        check_url(url, private_allowed=False)
