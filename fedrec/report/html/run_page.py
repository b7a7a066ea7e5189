"""Template of the page of a run."""

from fedrec.report.html import template

PAGE = (
    template.MACROS
    + template.HEAD
    + """\
<h1>{{ name }} <span class="status {{ status }}">{{ status }}</span></h1>
<div class="muted">{{ subtitle }}</div>
<p class="opening">{{ opening }}</p>
{% if banner %}<p class="banner {{ status }}">{{ banner }}</p>{% endif %}
{% for warning in warnings %}<p class="banner">{{ warning }}</p>
{% endfor %}
"""
    + template.TILES
    + """\
{% if beside %}
<details><summary>Beside {{ missing|join(" and ") }}</summary>
<p>They were not measured with this run. This line, typed in the folder that holds the run's folder,
runs them and writes this page anew:</p>
{{ command(beside) }}</details>
{% endif %}

<h2 id="results">Results</h2>
<p>{{ protocol }}</p>
{% if scenario %}<p>Hidden from training by its scenario: {{ scenario }}.</p>{% endif %}
{% if results.rows %}
<p class="muted">The test item of a user is the last event, the validation item the one before;
small numbers are 95&nbsp;% bootstrap intervals over users.{% if results.same_recall %} With one
held-out item, Recall@k equals HR@k.{% endif %}</p>
{{ sheet(results.headers, results.rows, results.main, title="Results of " + name) }}
{% if results.between %}<p>{{ results.between }}</p>{% endif %}
{% endif %}
{% for other in results.others %}
<p>{{ other.protocol }}</p>
{{ sheet(other.headers, other.rows, title="Results of " + name) }}
{% endfor %}
{% if results.every_position %}
<p>{{ results.every_position.told }}</p>
{{ sheet(results.every_position.headers, results.every_position.rows,
         title="Every position, " + name) }}
{% endif %}
{% if not results.is_final %}<p class="muted">This run left no test metrics.</p>{% endif %}

{% if people %}
<h2 id="users">A few users</h2>
<p class="banner">Histories of people, drawn at random: send this page only to those who may see
them. Without <code>--examples</code>, <code>fedrec report</code> writes it without this part.</p>
<div class="people">
{% for one in people %}
<section><h3>User {{ one.user }}, {{ one.events }} events before the test item</h3>
<p class="muted">Last events, oldest first</p>
<ul>{% for title in one.history %}<li>{{ title }}</li>{% endfor %}</ul>
<p class="muted">First ten recommendations; the test item, {{ one.target }}, has rank
{{ one.rank }}</p>
<ol>{% for item in one.top %}<li{% if item.is_target %} class="hit"{% endif %}>{{ item.title }}
{%- if item.is_target %} (the test item){% endif %}</li>{% endfor %}</ol></section>
{% endfor %}
</div>
{% endif %}

{% for heading, drawings in figures.items() %}
{% set is_clients = heading == "Clients" %}
{% if drawings or is_clients and (sampling or client_figures or excluded or traceback) %}
<h2 id="{{ heading|lower|replace(" ", "-") }}">{{ heading }}</h2>
{% if is_clients and sampling %}<p>{{ sampling }}</p>{% endif %}
{% if is_clients %}{% for told in client_figures %}<p>{{ told }}</p>{% endfor %}{% endif %}
{% for f in drawings %}{{ drawn(f) }}
{% endfor %}
{% if is_clients and excluded %}
<details><summary>{{ excluded_told }}</summary>
{{ sheet(excluded_headers, excluded, title="Excluded replies of " + name) }}</details>
{% endif %}
{% if is_clients and traceback %}
<details><summary>First traceback of a client</summary>
<pre>{{ traceback|join("\n") }}</pre></details>
{% endif %}
{% endif %}
{% endfor %}

<h2 id="cost">Traffic and time</h2>
{% if traffic %}{{ sheet(["traffic", "total", "mean per round"], traffic,
                         title="Traffic of " + name) }}{% endif %}
{% if phases %}{{ sheet(["phase", "seconds", "share"], phases,
                        title="Seconds of " + name) }}{% endif %}
{% if rounds %}
<details><summary>{{ rounds_told }} (* marks the weights that were kept)</summary>
{{ sheet(round_headers, rounds, title="Rounds of " + name) }}</details>
{% else %}<p class="muted">No round was completed.</p>{% endif %}

<h2 id="inputs">Inputs</h2>
<h3>Data</h3>
{{ words(data, "data") }}
{% if semantics %}<h3>Semantic embeddings</h3>
{{ words(semantics, "semantic embeddings") }}{% endif %}
{% if parameters %}<h3>Parameters</h3>{{ words(parameters, "parameters") }}{% endif %}
{% if sent %}<h3>What the clients sent beside updates and ranks</h3><p>{{ sent }}</p>{% endif %}

<h2 id="repeat">Reproduction</h2>
{{ command(repeat) }}
{% for note in repeat_notes %}<p class="muted">{{ note }}</p>
{% endfor %}
{{ words(machine, "machine") }}
<details><summary>Complete configuration</summary>
{% for section, rows in config %}
{% if section %}<h3>[{{ section }}]</h3>{% endif %}{{ words(rows, section or "settings") }}
{% endfor %}</details>
<details><summary>Versions</summary>{{ words(versions, "versions") }}</details>
<details><summary>Cite fedrec</summary>{{ command(citation|join("\n")) }}</details>
"""
    + template.FOOT
)
