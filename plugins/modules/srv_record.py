#!/usr/bin/python

# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: srv_record
short_description: Publish a KMS host in DNS
version_added: 0.1.0
author:
  - the winops.kms authors (@winops)
description:
  - Adds, changes or removes the record by which KMS clients find a KMS host, C(_vlmcs._tcp) in their DNS domain, by a
    dynamic update (RFC 2136) over TCP.
  - All KMS hosts of a domain share one record set. This module manages the record of one host (or those of several) in
    it and leaves the records of all others alone, also when several runs or hosts change the set at the same time. An
    update names what it was made for and is made again when the set has changed meanwhile. Only O(exclusive=true) takes
    other hosts' records away.
  - Updates are signed with a TSIG key, or by Kerberos (GSS-TSIG) as Active Directory asks for with secure dynamic
    updates.
  - It runs on the controller, or on any other machine that reaches the DNS server. Use C(delegate_to) with it in a play
    for Windows hosts.
extends_documentation_fragment:
  - winops.kms._attributes
attributes:
  check_mode:
    support: full
    details:
      - The record set is read, and nothing else is sent. That the key or ticket is right is found out too, since
        reading is signed as well.
      - With O(probe=true), the server is also asked whether they may make the change.
  diff_mode:
    support: full
    details:
      - The whole record set before and after, as sorted lines of a zone file.
  idempotent:
    support: full
  platform:
    description: Target operating systems that can be acted upon.
    support: full
    platforms: posix
  action_group:
    description: Use C(group/winops.kms.dns) in C(module_defaults) to set options that these modules share.
    support: full
    membership:
      - winops.kms.dns
options:
  domain:
    description:
      - The DNS domain of the clients, with or without the final dot. The record set is C(_vlmcs._tcp) in this domain.
        It need not be a zone of its own.
      - The default is O(zone), or else the domain of O(target), that is, its name without the first part.
    type: str
  zone:
    description:
      - The DNS zone to update, with or without the final dot. It must be a zone of its own on the server, and O(domain)
        must be this zone or lie in it.
      - By default, the zone that holds O(domain) is found. Give this option to have an error instead when the domain
        does not lie where you think it does.
      - If there is a zone of its own further down, such as C(_tcp) in the domain, that one is updated.
    type: str
  target:
    description:
      - The fully qualified name of the KMS host, with or without the final dot. It must have an address record (RFC
        2782); this is not checked. A name without any dot, or an address, is refused.
      - The record of a host is identified by this name alone, in which case does not count.
      - Exactly one of O(target) and O(records) is required.
    type: str
  records:
    description:
      - Several KMS hosts at once, instead of O(target), O(port), O(priority) and O(weight), which do not apply to them.
        They are changed in one update.
    type: list
    elements: dict
    suboptions:
      target:
        description: The KMS host, as with O(target). Each is listed once.
        type: str
        required: true
      port:
        description: The TCP port that it listens on, as with O(port).
        type: int
      priority:
        description: The priority of the host, as with O(priority).
        type: int
        default: 0
      weight:
        description: The weight of the host, as with O(weight).
        type: int
        default: 0
  exclusive:
    description:
      - Make the record set exactly O(records) (or the only record O(target)), so that the records of all other hosts
        are removed, whoever made them. Diff mode shows them.
      - A KMS host that publishes itself comes back within a day.
      - Only with O(state=present) and at least one host.
    type: bool
    default: false
  port:
    description:
      - The TCP port that the KMS host listens on.
      - With O(state=present) the default is V(1688). A KMS host listens on one port, so this is the port of the only
        record of the host. Records of the same O(target) with other ports are replaced.
      - With O(state=absent) and this option, only the record with this port is removed, and without it every record of
        the O(target).
    type: int
  priority:
    description:
      - The priority of the host, V(0) to V(65535). Clients that heed it prefer the lowest number.
      - Ignored with O(state=absent).
    type: int
    default: 0
  weight:
    description:
      - The weight of the host among those of the same priority, V(0) to V(65535).
      - Ignored with O(state=absent).
    type: int
    default: 0
  ttl:
    description:
      - How many seconds resolvers may keep the record.
      - All records of a set have the same (RFC 2181). If it is given, the records of other hosts get it too. Nothing
        else of them changes.
      - If it is not given, the record keeps its own, a new one gets that of the set, and the first record of a set gets
        V(3600).
      - Ignored with O(state=absent).
    type: int
  refresh:
    description:
      - Send records that are as wanted once more. This changes nothing, and the result is not C(changed) by it.
      - A DNS server of Active Directory notes the time of every dynamic update. Where ageing and scavenging are
        switched on, it removes records that nobody has sent again for two weeks by default. A KMS host that publishes
        itself does so daily; for a record that is published by this module, run it with this option once a week or so.
      - Ignored with O(state=absent) and in check mode.
    type: bool
    default: false
  probe:
    description:
      - In check mode, if there is something to change and the requests are signed, ask the server whether the key or
        ticket may make the change. See RV(may_update) for the answer. If it may not, there is a warning.
      - This is done by updates that can change nothing, since they depend on a record which does not exist. BIND, Knot
        DNS and PowerDNS refuse them to those who have no rights. BIND with an C(update-policy) and Knot DNS also tell
        those who have. Active Directory does not tell.
      - By default, check mode sends queries alone, and the log of the server shows no update.
    type: bool
    default: false
  state:
    description:
      - Whether the host shall have a record.
    type: str
    choices: [present, absent]
    default: present
  server:
    description:
      - The name or the address (IPv4 or IPv6) of the zone's primary DNS server. It is both read and updated.
      - The default is the primary that the zone's SOA record names (MNAME), looked up by the resolver of the machine on
        which the module runs. Not every zone names a reachable one there.
    type: str
  server_port:
    description:
      - The TCP port of the DNS server.
    type: int
    default: 53
  tsig_key_name:
    description:
      - The name of the key that signs the requests (TSIG, RFC 8945), exactly as on the server.
      - Without a key, the server must allow updates by address.
    type: str
  tsig_key_secret:
    description:
      - The secret of O(tsig_key_name), in base64, as key files have it.
    type: str
  tsig_algorithm:
    description:
      - The algorithm of O(tsig_key_name), exactly as on the server.
    type: str
    choices:
      - hmac-sha224
      - hmac-sha256
      - hmac-sha256-128
      - hmac-sha384
      - hmac-sha384-192
      - hmac-sha512
      - hmac-sha512-256
    default: hmac-sha256
  gss_tsig:
    description:
      - Sign the requests by Kerberos (GSS-TSIG, RFC 3645), as zones of Active Directory with secure dynamic updates ask
        for. BIND can do the same.
      - The account is that of O(gss_password), O(gss_keytab) or O(gss_ccache), or else of the default credential cache
        (see C(KRB5CCNAME)).
      - In Active Directory, whoever first makes the node C(_vlmcs._tcp) owns it, and others cannot change it. Either
        grant the account the right to write to it, or publish everything with the same account.
    type: bool
    default: false
  gss_principal:
    description:
      - The Kerberos name of the account, as C(name@REALM). The realm of an Active Directory domain is its name in
        capitals.
      - Needed with O(gss_password). Otherwise it chooses among the accounts of the keytab or cache.
    type: str
  gss_password:
    description:
      - The password of O(gss_principal). No C(kinit) is needed, and no ticket is left behind.
    type: str
  gss_keytab:
    description:
      - The keytab with the key of the account, as a path on the machine that runs the module. No ticket is left behind.
      - The file may also have the keytab as base64 text, as a store of secrets keeps it that takes text alone.
    type: str
  gss_ccache:
    description:
      - The credential cache with the ticket of the account, as made by C(kinit) on the machine that runs the module. A
        path, or a name such as C(KEYRING:persistent:0).
    type: str
  gss_hostname:
    description:
      - The full host name by which Kerberos knows the DNS server, C(DNS/host).
      - The default is O(server), or the name that was found for it. Needed if O(server) is an address.
    type: str
  timeout:
    description:
      - How many seconds to wait for a connection to the DNS server, and again for each of its answers.
      - With O(gss_tsig=true), also how many seconds Kerberos may take to get a ticket, whatever its own configuration
        says of a Kerberos server that does not answer.
    type: int
    default: 10
  nameservers:
    description:
      - When all else is done, ask every name server of the zone whether it answers as wanted for the hosts of this
        task. See RV(nameservers) and RV(nameservers_agree) for the answers. Nothing is changed or waited for by this,
        and the task does not fail by what they answer.
      - The name servers are those of the zone's NS records. They and their addresses, IPv4 and IPv6, are looked up at
        the DNS server that is updated, or by this machine's resolver where that server does not hold the names.
      - They are asked at the port O(server_port) over TCP without a signature, and must let the machine ask that runs
        the module. Only the address that is updated is asked with the key or ticket.
      - A secondary server gets a change a moment later. A task that is repeated with C(until) waits for it, since a
        task that has nothing to change sends no update.
      - In check mode, they are only asked if there is nothing to change.
    type: bool
    default: false
  nameservers_except:
    description:
      - Names or addresses of name servers that O(nameservers) leaves out, such as those that cannot be reached from
        here.
    type: list
    elements: str
    default: []
requirements:
  - dnspython >= 2.1 on the machine that runs the module
  - gssapi (the Python library) there too, for O(gss_tsig=true). Debian has it as python3-gssapi. From PyPI it is built
    from source, which needs gcc and the headers of Python and MIT Kerberos (python3-dev, libkrb5-dev).
notes:
  - A KMS host publishes itself once a day unless that is switched off. A record that is removed here comes back as long
    as the host still does so. Switch it off with O(winops.kms.host#module:dns_publishing=false).
  - Windows DNS servers accept no TSIG key. With secure dynamic updates, they need O(gss_tsig=true).
  - An answer to a query that is signed with a TSIG key must be signed with it too. With O(gss_tsig=true), an answer
    that is not signed, or not in a way that can be verified, is accepted as long as the server has not signed another
    one properly, as there are DNS servers that do not. RV(verified) tells, and there is a warning. Success of an update
    is never believed in any case, but looked for by reading again.
seealso:
  - ref: ansible_collections.winops.kms.docsite.dns_guide
    description: How to set up BIND, Knot DNS, PowerDNS, Samba and Windows for this module, with least privilege.
  - module: winops.kms.windows_srv_record
    description: The same on a Windows DNS server over WinRM.
  - module: winops.kms.discovery_info
  - module: winops.kms.host
  - module: community.general.nsupdate
    description: Manages whole record sets of any type.
"""

EXAMPLES = r"""
- name: Publish this KMS host
  winops.kms.srv_record:
    zone: contoso.com
    target: kms01.contoso.com
    server: ns1.contoso.com
    tsig_key_name: kms-publisher
    tsig_key_secret: "{{ vault_kms_publisher_secret }}"
  delegate_to: localhost

- name: Publish every KMS host of the group, the second one as a spare
  winops.kms.srv_record:
    zone: contoso.com
    target: "{{ item.name }}"
    priority: "{{ item.priority }}"
    ttl: 3600
    tsig_key_name: kms-publisher
    tsig_key_secret: "{{ vault_kms_publisher_secret }}"
  loop:
    - {name: kms01.contoso.com, priority: 0}
    - {name: kms02.contoso.com, priority: 10}
  delegate_to: localhost
  run_once: true

- name: Publish in a zone of Active Directory, with the account of a keytab
  winops.kms.srv_record:
    target: kms01.contoso.com
    server: dc1.contoso.com
    gss_tsig: true
    gss_keytab: /etc/kms-publisher.keytab
    refresh: true
  delegate_to: localhost

- name: The same for clients in another domain, with user and password
  winops.kms.srv_record:
    domain: office.contoso.com
    target: kms01.contoso.com
    server: dc1.contoso.com
    gss_tsig: true
    gss_principal: kms-publisher@CONTOSO.COM
    gss_password: "{{ vault_kms_publisher_password }}"
  delegate_to: localhost

- name: Exactly these KMS hosts and no others
  winops.kms.srv_record:
    zone: contoso.com
    exclusive: true
    records:
      - {target: kms01.contoso.com}
      - {target: kms02.contoso.com, priority: 10}
    tsig_key_name: kms-publisher
    tsig_key_secret: "{{ vault_kms_publisher_secret }}"
  delegate_to: localhost
  diff: true

- name: Publish, and wait until every name server of the zone has the record
  winops.kms.srv_record:
    zone: contoso.com
    target: kms01.contoso.com
    server: ns1.contoso.com
    tsig_key_name: kms-publisher
    tsig_key_secret: "{{ vault_kms_publisher_secret }}"
    nameservers: true
    nameservers_except: [ns-backup.contoso.com]
  delegate_to: localhost
  register: published
  until: published is failed or published.nameservers_agree is not false
  retries: 12
  delay: 10

- name: Take a KMS host out, whatever its port
  winops.kms.srv_record:
    zone: contoso.com
    target: kms01.contoso.com
    state: absent
    tsig_key_name: kms-publisher
    tsig_key_secret: "{{ vault_kms_publisher_secret }}"
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What was found or done, in a sentence.
  returned: always
  type: str
  sample: '_vlmcs._tcp.contoso.com on ns1.contoso.com: changed, 2 records now'
records:
  description:
    - The whole record set once the module was done, so the records of all KMS hosts; in check mode as it would be.
    - Sorted by target, port, priority and weight.
  returned: success
  type: list
  elements: dict
  contains:
    target:
      description: The host, without the final dot, in the case in which the server has it.
      type: str
      sample: kms01.contoso.com
    port:
      description: The TCP port of the KMS host.
      type: int
      sample: 1688
    priority:
      description: The priority.
      type: int
      sample: 0
    weight:
      description: The weight.
      type: int
      sample: 0
    ttl:
      description: The time to live in seconds.
      type: int
      sample: 3600
attempts:
  description:
    - How many updates were sent. V(0) if nothing had to be changed or refreshed, and in check mode. More than V(1) if
      the set was changed by others at the same time or an answer was lost.
  returned: success
  type: int
  sample: 1
server:
  description: The DNS server that was read and updated.
  returned: success
  type: str
  sample: ns1.contoso.com
domain:
  description: The DNS domain of the clients.
  returned: success
  type: str
  sample: office.contoso.com
zone:
  description: The zone that holds the record set and that was updated.
  returned: success
  type: str
  sample: contoso.com
refreshed:
  description: Whether records that were as wanted were sent once more, see O(refresh).
  returned: success
  type: bool
  sample: false
may_update:
  description:
    - In check mode, whether the key or ticket may make the change, see O(probe).
    - V(null) if it was not asked, or if the server does not tell.
  returned: success
  type: bool
  sample: true
verified:
  description: Whether all that was read was signed by the server, so that it is known to come from it.
  returned: success
  type: bool
  sample: true
nameservers:
  description:
    - How the name servers of the zone answer, an entry for each address. Sorted by name, IPv4 first.
    - Empty without O(nameservers=true).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name server, without the final dot.
      type: str
      sample: ns2.contoso.com
    address:
      description: Its address. Empty if it has none, or was left out by its name.
      type: str
      sample: 192.0.2.54
    status:
      description:
        - V(as_wanted) if it has the records of the hosts of this task as wanted, V(differs) if it does not,
          V(not_authoritative) if it does not hold the zone, V(no_answer) if no usable answer came, V(no_route) if the
          machine that runs the module has no network for addresses of this kind, V(no_address) if there is no address,
          V(left_out) if it is in O(nameservers_except).
      type: str
      sample: differs
    records:
      description: The record set that it answers with, in the form of RV(records).
      type: list
      elements: dict
      sample: []
    message:
      description: What happened. Empty with V(as_wanted) and V(left_out).
      type: str
      sample: "The name server ns2.contoso.com (192.0.2.54, port 53) answers for contoso.com: no record at all."
    remedy:
      description: The next step. Empty with V(as_wanted) and V(left_out).
      type: str
      sample: Check that the primary notifies it and lets it transfer the zone.
nameservers_agree:
  description:
    - Whether every name server that was not left out answers as wanted. An address without a route does not count if
      another address of the same server was asked.
    - V(null) without O(nameservers=true), and in check mode if there is something to change.
  returned: success
  type: bool
  sample: true
error:
  description: What went wrong.
  returned: failure
  type: dict
  contains:
    code:
      description:
        - The number of the DNS response code or of the TSIG error if the server has sent one, otherwise the same as
          RV(error.name).
      type: str
      sample: "16"
    name:
      description:
        - The symbol of the error. V(INVALID_OPTION) means that an option cannot be right and nothing was sent.
      type: str
      sample: BADSIG
    message:
      description: What happened, and where.
      type: str
      sample: >-
        While looking for the zone contoso.com: the DNS server ns1.contoso.com (192.0.2.53) at port 53 does not accept
        the signature of the request (NOTAUTH, BADSIG).
    remedy:
      description: The likely cause and the next step.
      type: str
      sample: >-
        The secret differs from the server's, so check tsig_key_secret; the TSIG key kms-publisher (hmac-sha256) itself
        is known there.
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.winops.kms.plugins.module_utils._dns import library
from ansible_collections.winops.kms.plugins.module_utils._dns.credentials import (
    ALGORITHMS,
    DEFAULT_ALGORITHM,
    Credential,
    TsigCredential,
    Unsigned,
)
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import DnsError, InputError
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Server
from ansible_collections.winops.kms.plugins.module_utils._dns.gss import GssCredential, check_keytab
from ansible_collections.winops.kms.plugins.module_utils._dns.kerberos_arguments import KERBEROS_ARGUMENTS
from ansible_collections.winops.kms.plugins.module_utils._dns.keytabs import as_keytab
from ansible_collections.winops.kms.plugins.module_utils._dns.names import (
    is_address,
    server_name,
)
from ansible_collections.winops.kms.plugins.module_utils._dns.nameservers import look, troubles
from ansible_collections.winops.kms.plugins.module_utils._dns.options import goal_of
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, Outcome, ensure
from ansible_collections.winops.kms.plugins.module_utils._dns.zone import primary_of

ARGUMENTS: dict[str, dict[str, Any]] = {
    "domain": {"type": "str"},
    "zone": {"type": "str"},
    "target": {"type": "str"},
    "records": {
        "type": "list",
        "elements": "dict",
        "options": {
            "target": {"type": "str", "required": True},
            "port": {"type": "int"},
            "priority": {"type": "int", "default": 0},
            "weight": {"type": "int", "default": 0},
        },
    },
    "exclusive": {"type": "bool", "default": False},
    "port": {"type": "int"},
    "priority": {"type": "int", "default": 0},
    "weight": {"type": "int", "default": 0},
    "ttl": {"type": "int"},
    "refresh": {"type": "bool", "default": False},
    "probe": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "server": {"type": "str"},
    "server_port": {"type": "int", "default": 53},
    "tsig_key_name": {"type": "str", "no_log": False},
    "tsig_key_secret": {"type": "str", "no_log": True},
    "tsig_algorithm": {"type": "str", "choices": list(ALGORITHMS), "default": DEFAULT_ALGORITHM},
    "gss_tsig": {"type": "bool", "default": False},
    **KERBEROS_ARGUMENTS,
    "timeout": {"type": "int", "default": 10},
    "nameservers": {"type": "bool", "default": False},
    "nameservers_except": {"type": "list", "elements": "str", "default": []},
}

# What signs, and what belongs to it; empty texts count as not given.
TSIG_OPTIONS = ("tsig_key_name", "tsig_key_secret")
GSS_OPTIONS = tuple(KERBEROS_ARGUMENTS)


def credential_of(params: dict[str, Any]) -> Credential:
    """The key or the Kerberos identity of the options, or none. Raises InputError."""
    tsig = [name for name in TSIG_OPTIONS if params[name]]
    gss = [name for name in GSS_OPTIONS if params[name]]
    if params["gss_tsig"]:
        if tsig:
            raise InputError(tsig[0], "it does not go with gss_tsig.", "Sign by a key or by Kerberos, not by both.")
        if params["server"] and is_address(params["server"]) and not params["gss_hostname"]:
            raise InputError(
                "gss_hostname",
                "it is needed, since server is an address.",
                "Give the full host name of the DNS server: Kerberos knows it by this name.",
            )
        if params["gss_keytab"]:
            check_keytab(params["gss_keytab"])
        return GssCredential(
            principal=params["gss_principal"],
            password=params["gss_password"],
            keytab=params["gss_keytab"],
            ccache=params["gss_ccache"],
            hostname=params["gss_hostname"],
        )
    if gss:
        raise InputError(gss[0], "it only counts with gss_tsig.", "Set gss_tsig to true to sign by Kerberos.")
    if not tsig:
        return Unsigned()
    return TsigCredential(params["tsig_key_name"], params["tsig_key_secret"], params["tsig_algorithm"])


def run(params: dict[str, Any], *, check: bool) -> tuple[dict[str, Any], list[str]]:
    """The result of the module, and warnings. Raises DnsError; for what cannot be right, before anything is sent."""
    goal = goal_of(params)
    credential = credential_of(params)
    timeout = float(params["timeout"])
    host = server_name(params["server"]) if params["server"] else primary_of(goal.domain, goal.zone, timeout=timeout)
    server = Server(host, params["server_port"], timeout, credential)
    outcome = ensure(server, goal, check=check, probe=params["probe"])
    left_out = params["nameservers_except"]
    ask_all = params["nameservers"] and not (check and outcome.changed)
    views = look(server, goal, outcome.zone, left_out=left_out) if ask_all else None
    result = {
        "changed": outcome.changed,
        "msg": sentence(outcome, goal, host, check=check),
        "records": [record.as_result() for record in outcome.records],
        "attempts": outcome.attempts,
        "server": host,
        "domain": goal.domain,
        "zone": outcome.zone,
        "refreshed": outcome.refreshed,
        "may_update": outcome.may_update,
        "verified": credential.signs and not server.unproven,
        "nameservers": [view.as_result() for view in views or ()],
        "nameservers_agree": None if views is None else not troubles(views),
        "diff": {
            "before": outcome.before,
            "after": outcome.after,
            "before_header": goal.owner,
            "after_header": goal.owner,
        },
    }
    return result, warnings_of(server, outcome)


def sentence(outcome: Outcome, goal: Goal, host: str, *, check: bool) -> str:
    """One short sentence for the screen and the job event."""
    number = len(outcome.records)
    what = f"{number or 'no'} record{'' if number == 1 else 's'}"
    if outcome.changed:
        done = f"would change, {what} then" if check else f"changed, {what} now"
    else:
        done = f"{what}; nothing to change" + ("; sent once more" if outcome.refreshed else "")
    return f"{goal.owner} on {host}: {done}"


def warnings_of(server: Server, outcome: Outcome) -> list[str]:
    """What the user should know although the task has not failed."""
    warnings = [] if outcome.refusal is None else [f"This would fail without check mode. {outcome.refusal}"]
    if server.unproven:
        warnings.append(
            f"The answers of {server.label} to signed queries are not signed in a way that can be verified, so the "
            "records that were read could come from somebody else on the way."
        )
    return warnings


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_together=[TSIG_OPTIONS],
        required_one_of=[("target", "records")],
        mutually_exclusive=[("target", "records")],
        supports_check_mode=True,
    )
    problem = library.problem()
    if problem is not None:
        module.fail_json(msg=missing_required_lib(library.REQUIREMENT), exception=problem)
    params = dict(module.params)
    if params["gss_keytab"]:
        params["gss_keytab"] = as_keytab(params["gss_keytab"], module.tmpdir)
    try:
        result, warnings = run(params, check=module.check_mode)
    except DnsError as error:
        module.fail_json(msg=str(error), error=error.as_result())
    for warning in warnings:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
