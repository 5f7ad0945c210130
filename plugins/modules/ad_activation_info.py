#!/usr/bin/python

# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ad_activation_info
short_description: List the activation objects of an Active Directory forest
version_added: 0.1.0
author:
  - the winops.kms authors (@winops)
description:
  - Reads the activation objects from the configuration partition by LDAP. Each stands for a KMS host key (CSVLK) that
    has activated the forest. Domain members with a matching client setup key activate themselves by them.
  - Replaces C(slmgr.vbs /ao-list).
extends_documentation_fragment:
  - winops.kms._attributes
  - winops.kms._attributes.info
  - winops.kms._directory
  - winops.kms._directory.module
options:
  name:
    description:
      - Only return the object with this display name, common name or distinguished name. A text with C(,cn=) in it
        counts as a distinguished name.
    type: str
seealso:
  - module: winops.kms.ad_activation
  - module: winops.kms.ad_activation_object
"""

EXAMPLES = r"""
- name: List the activation objects
  winops.kms.ad_activation_info:
    ldap_server: dc1.contoso.com
    ldap_ca_file: /etc/ssl/contoso-ca.pem
    ldap_user: kms-reader@contoso.com
    ldap_password: "{{ vault_kms_reader_password }}"
  delegate_to: localhost
  run_once: true
  register: forest

- name: The same by Kerberos, without a certificate on the domain controllers
  winops.kms.ad_activation_info:
    ldap_domain: contoso.com
    ldap_tls: sasl
    gss_keytab: /etc/kms-reader.keytab
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
activation_objects:
  description: The activation objects, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its display name, or the common name if it has none.
      type: str
      sample: Contoso volume licences
    cn:
      description: Its common name, the first part of RV(activation_objects[].dn).
      type: str
      sample: Contoso
    dn:
      description: Its distinguished name.
      type: str
      sample: CN=Contoso,CN=Activation Objects,CN=Microsoft SPP,CN=Services,CN=Configuration,DC=contoso,DC=com
    partial_product_key:
      description: The last five characters of the key. The directory has no other part of it.
      type: str
      sample: HK222
    product_key_id:
      description: The extended product ID of the key, from which the key can't be told.
      type: str
      sample: 03612-00206-596-123456-03-1033-20348.0000-0602026
    activation_id:
      description: The activation ID of the KMS host licence that the key is for. V(null) if the directory has none.
      type: str
      sample: 6e9fc069-257d-4bc4-b4a7-750514d32743
    created:
      description: When it was created, in UTC. V(null) if the directory does not tell.
      type: str
      sample: "2026-03-02T08:00:00Z"
msg:
  description: How many there are, or what went wrong.
  returned: always
  type: str
  sample: 1 activation object
error:
  description: What went wrong.
  returned: failure
  type: dict
  contains:
    code:
      description: The number of the LDAP result if the directory has sent one, otherwise the same as RV(error.name).
      type: str
      sample: "49"
    name:
      description:
        - The symbol of the error. V(INVALID_OPTION) means that an option cannot be right and nothing was sent.
      type: str
      sample: INVALID_CREDENTIALS
    message:
      description: What happened, and where.
      type: str
      sample: >-
        While logging on: the directory server dc1.contoso.com at port 636 does not accept the name or the password of
        the account kms-reader@contoso.com (LDAP result 49).
    remedy:
      description: The likely cause and the next step.
      type: str
      sample: Check ldap_user and ldap_password.
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.winops.kms.plugins.module_utils._directory import library
from ansible_collections.winops.kms.plugins.module_utils._directory.arguments import ARGUMENTS as DIRECTORY
from ansible_collections.winops.kms.plugins.module_utils._directory.errors import DirectoryError
from ansible_collections.winops.kms.plugins.module_utils._directory.objects import Directory, choose
from ansible_collections.winops.kms.plugins.module_utils._directory.options import access_of

ARGUMENTS: dict[str, dict[str, Any]] = {"name": {"type": "str"}, **DIRECTORY}


def run(params: dict[str, Any]) -> dict[str, Any]:
    """The result of the module. Raises DirectoryError; for what cannot be right, before anything is sent."""
    found = Directory(access_of(params)).objects()
    if params["name"]:
        chosen = choose(found, params["name"])
        found = () if chosen is None else (chosen,)
    return {
        "changed": False,
        "activation_objects": [item.as_result() for item in found],
        "msg": f"{len(found)} activation object{'' if len(found) == 1 else 's'}",
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    problem = library.problem()
    if problem is not None:
        module.fail_json(msg=missing_required_lib(library.REQUIREMENT), exception=problem)
    try:
        result = run(module.params)
    except DirectoryError as error:
        module.fail_json(msg=str(error), error=error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
