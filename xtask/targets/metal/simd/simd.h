// naga includes this header of Apple's and uses nothing of it.
#pragma once
