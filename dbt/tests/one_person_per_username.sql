-- usernames are compared without case, and two people of a district never share one (Rollcall, rule 10)
select district_id, lower(username) as username
from {{ ref('stg_rollcall__accounts') }}
group by district_id, lower(username)
having count(distinct user_sourced_id) > 1
