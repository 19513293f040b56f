select
    district_id || ':' || sourced_id as user_key,
    district_id,
    sourced_id as user_sourced_id,
    given_name,
    family_name,
    coalesce(preferred_first_name, given_name) as called,
    email,
    identifier,
    grades,
    is_enabled,
    case when primary_org_sourced_id is not null
        then district_id || ':' || primary_org_sourced_id end as primary_school_key,
    _missing_since is not null as is_missing,
    _changed_at as changed_at
from {{ source('rollcall', 'users') }}
