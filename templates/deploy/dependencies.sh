{%- match dependencies %}
{%- when Dependencies::Payload %}
{%- if release_venv %}
{% include "deploy/dependencies/release.sh" %}

{% include "deploy/dependencies/payload_release.sh" %}
{%- else %}
{% include "deploy/dependencies/payload_shared.sh" %}
{%- endif %}

{% include "deploy/dependencies/payload_packages.sh" %}
{%- if pip %}

{% include "deploy/dependencies/pip_install.sh" %}
{%- endif %}
{%- when Dependencies::Command %}
{%- if release_venv %}
{% include "deploy/dependencies/command_release.sh" %}
{%- else %}
{% include "deploy/dependencies/command_shared.sh" %}

{% include "deploy/dependencies/links_into_releases.sh" %}
{%- endif %}
{%- when Dependencies::Pip %}
{%- if release_venv %}
{% include "deploy/dependencies/release.sh" %}

{% include "deploy/dependencies/pip_release.sh" %}

{% include "deploy/dependencies/names_packages_only.sh" %}
{%- else %}
{% include "deploy/dependencies/pip_shared.sh" %}

{% include "deploy/dependencies/local_packages.sh" %}
{%- endif %}

{% include "deploy/dependencies/dependency_file.sh" %}

{% include "deploy/dependencies/pip.sh" %}

{% include "deploy/dependencies/pip_install.sh" %}
{%- when Dependencies::PipProject %}
{% include "deploy/dependencies/release.sh" %}

{% include "deploy/dependencies/pip_project.sh" %}

{% include "deploy/dependencies/dependency_file.sh" %}

{% include "deploy/dependencies/pip_install.sh" %}
{%- when Dependencies::UvLock %}
{%- if release_venv %}
{% include "deploy/dependencies/release.sh" %}

{% include "deploy/dependencies/uv_release.sh" %}

{% include "deploy/dependencies/uv_lock_release.sh" %}

{% include "deploy/dependencies/uv_project.sh" %}
{%- else %}
{% include "deploy/dependencies/uv_shared.sh" %}

{% include "deploy/dependencies/uv_lock_shared.sh" %}

{% include "deploy/dependencies/links_into_releases.sh" %}
{%- endif %}

{% include "deploy/dependencies/uv_lock.sh" %}
{%- when Dependencies::UvFile %}
{%- if release_venv %}
{% include "deploy/dependencies/release.sh" %}

{% include "deploy/dependencies/uv_release.sh" %}

{% include "deploy/dependencies/uv_file_release.sh" %}

{% include "deploy/dependencies/names_packages_only.sh" %}
{%- else %}
{% include "deploy/dependencies/uv_shared.sh" %}

{% include "deploy/dependencies/local_packages.sh" %}

{% include "deploy/dependencies/uv_file_shared.sh" %}

{% include "deploy/dependencies/links_into_releases.sh" %}
{%- endif %}

{% include "deploy/dependencies/dependency_file.sh" %}
{%- endmatch %}
{%- if !release_venv %}

{% include "deploy/dependencies/shared.sh" %}
{%- endif %}
{%- if pip %}

{% include "deploy/dependencies/in_release.sh" %}
{%- else %}
{%- if release_venv || payload_packages %}

{% include "deploy/dependencies/find_uv_release.sh" %}
{%- else %}

{% include "deploy/dependencies/find_uv_shared.sh" %}
{%- endif %}

{% include "deploy/dependencies/own_uv.sh" %}

{% include "deploy/dependencies/pip_install.sh" %}

{% include "deploy/dependencies/in_release.sh" %}
{%- endif %}
{%- if payload_packages %}

{% include "deploy/dependencies/payload.sh" %}
{%- endif %}
