{# Every value that is known lies within bounds; NULL is unknown, not wrong. #}
{% test between(model, column_name, least, most) %}
select {{ column_name }}
from {{ model }}
where {{ column_name }} is not null
  and not ({{ column_name }} >= {{ least }} and {{ column_name }} <= {{ most }})
{% endtest %}
