select
    c.district_id || ':' || c.sourced_id as class_key,
    c.district_id,
    c.sourced_id as class_sourced_id,
    c.title,
    c.class_code,
    c.class_type,
    courses.title as course_title,
    courses.course_code,
    case when c.school_sourced_id is not null then c.district_id || ':' || c.school_sourced_id end as school_key
from {{ source('rollcall', 'classes') }} as c
left join {{ source('rollcall', 'courses') }} as courses
    on courses.district_id = c.district_id and courses.sourced_id = c.course_sourced_id
