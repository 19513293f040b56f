select district_id, user_sourced_id
from {{ ref('stg_rollcall__accounts') }}
group by district_id, user_sourced_id
having count(*) filter (where is_primary_site) > 1
