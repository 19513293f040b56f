select
    district_id || ':' || sourced_id as enrollment_key,
    district_id || ':' || user_sourced_id as user_key,
    district_id || ':' || class_sourced_id as class_key,
    district_id,
    role,
    is_primary,
    begin_date,
    end_date
from {{ source('rollcall', 'enrollments') }}
