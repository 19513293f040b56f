select
    district_id || ':' || sourced_id as school_key,
    district_id,
    sourced_id as school_sourced_id,
    name,
    identifier
from {{ source('rollcall', 'orgs') }}
where type = 'school'
